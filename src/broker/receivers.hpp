#pragma once

#include <boost/functional/hash.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/hand_off.hpp"
#include "broker/messages.hpp"
#include "broker/workers.hpp"
#include "core/task.hpp"
#include "http/message.hpp"
#include "message_store/async_store.hpp"
#include "queue_system/event_source.hpp"

namespace amc::broker {

struct receivers_options {
  std::size_t max = 0;           ///< requests that may be parked
  milliseconds look_interval{};  ///< between two looks at a queue of which nothing is announced
};

/// A revision that was claimed for a worker.
struct handed {
  row now{};
  bool alone = false;
};

/// Of a request that stands: what it is given does not end it, and takes from its room, which may grow.
struct standing {
  std::size_t max = 0;         ///< deliveries that it may still be given
  std::int64_t max_bytes = 0;  ///< of their texts; while there are any one more comes, whatever its size
  std::function<void(std::vector<handed>)> give{};
};

/// What a worker asks for.
struct receive_request {
  std::string queue{};
  std::string worker{};  ///< one start of one process; no two have the same
  std::string holder{};  ///< who it is, for people; empty: it did not tell
  principal_ptr by{};    ///< whose the claims are
  /// Whether the worker told its name. Where it did not, it may be several behind one connection.
  bool is_named = false;
  std::size_t max = 1;        ///< deliveries; 0: nothing more, and its parked request for this queue is answered
  std::size_t max_bytes = 0;  ///< of their texts together; the first comes whatever its size
  std::size_t in_hand = 0;    ///< deliveries that the worker has in hand, of all queues
  milliseconds wait{};
  bool has_place = false;              ///< it may be parked however many are: there are not many of its kind
  std::shared_ptr<standing> stands{};  ///< instead of `max` and `max_bytes`, for who is in this process
};

/// Requests that are parked until there is work: *receivers*. A look claims the oldest rows of a queue that can be
/// claimed, for the receivers that are parked for it, the newest first. A queue is looked at when a receiver comes,
/// when a change is announced, and now and then; one look at a time. The store is the truth: any number of these may
/// look at one store. What is handed out and cannot be delivered is released. While somebody is parked for a queue, the
/// engine's events of that queue are heard: each announces what may wait, and is settled once its row does not wait any
/// more.
///
/// *The hand-off*: where a look that began after a receiver was parked has found nothing that waits, and nothing has
/// come to wait since, what arrives in the queue is stored already claimed for it: one change, no look, no event. So it
/// overtakes nothing but what has become due elsewhere since the last look. What the store then knows to have expired
/// is released, and given to nobody. For one thread.
class receivers : public hand_off {
 public:
  /// `engine`: what services beside these hear events of, and whose events these hear too. Null where there is none:
  /// then nothing is rung.
  receivers(const environment& env, message_store::async_store store, std::shared_ptr<messages> verbs, platform* engine,
            receivers_options options);
  ~receivers() override;
  receivers(const receivers&) = delete;
  receivers& operator=(const receivers&) = delete;

  /// Returns as soon as something was claimed, and empty when the time is over, a newer request of the same worker for
  /// the queue takes its place, or everyone is sent home. One that stands returns only then, or when it was given what
  /// must be alone, and empty. Looks once whatever the time. Throws `unavailable` where nothing could be looked at, too
  /// many are parked, or one would stand where everyone is sent home.
  task<std::vector<handed>> receive(receive_request asked, std::shared_ptr<http::peer> from);

  /// A request that stands for this queue has more room now; its worker has so many in hand, of all queues.
  void offered(const std::string& name, const standing& room, std::size_t in_hand);

  /// Of an answer with these deliveries. Once it has been written, what was claimed for a while only is extended to its
  /// lease; what is not written within half of that while is given back.
  std::shared_ptr<http::receipt> receipt_for(std::vector<handed> deliveries);
  /// Somebody else may have what could not be delivered.
  void give_back(std::vector<handed> undelivered);

  std::unique_ptr<arrival> arrives(const std::string& name, std::size_t text_bytes, bool may_be_claimed) override;
  void opened(const std::string& name) override;
  void settled(const claimed& what) override { workers_.settled(what.ready.id, what.claim); }
  void extended(const claimed& what, milliseconds lease) override;

  /// Answers everyone: empty. From then on nothing is handed out.
  void send_home();
  /// Returns when nothing of this is under way any more.
  task<void> stop();

  std::size_t size() const { return parked_; }
  /// Of them, those for one queue.
  std::size_t parked_for(const std::string& name) const;
  /// Those who are parked, or have something in hand.
  std::size_t workers_known() const { return workers_.size(); }

  /// Events of one queue that are heard and not settled: so many rows may have been rung beyond what an engine holds.
  static constexpr std::size_t heard_max = 32;

 private:
  struct receiver {
    receive_request asked;
    std::shared_ptr<http::peer> from;
    std::shared_ptr<worker> by;
    std::vector<handed> got{};
    bool claiming = false;
    std::size_t handing = 0;        ///< hand-offs under way
    std::size_t handing_bytes = 0;  ///< of their texts
    bool looked = false;            ///< a look that began after it was parked is over
    bool found_nothing = false;     ///< and one of those has found nothing that waits
    bool over = false;              ///< a newer one takes its place, or it stands and was given something alone
    std::optional<unavailable> failed{};
    std::shared_ptr<one_shot<bool>> woken{};
    std::size_t room() const { return asked.stands ? asked.stands->max : asked.max; }
    std::size_t room_bytes() const;
    std::size_t may_claim() const;
    bool can_be_handed_more() const;
    bool can_be_handed(std::size_t text_bytes) const;
    void has_got(const row& granted, bool alone);
  };
  struct queue {
    std::list<std::shared_ptr<receiver>> parked{};  ///< the newest first
    bool announced = true;                          ///< it is to be looked at
    std::optional<timers::time_point> empty{};      ///< then a look found nothing, and nothing has come to wait since
    std::uint64_t came = 0;                         ///< how often something may have come to wait
    std::uint64_t came_seen = 0;                    ///< before the last look
    bool news_bring_work = true;                    ///< the last look after news has handed something out
    bool looking = false;
    bool lonely_last = false;            ///< what was handed out last was alone
    std::shared_ptr<worker> reserved{};  ///< gets nothing else until it can take what must be alone
    timers::time_point next_look{};
    std::shared_ptr<one_shot<bool>> pausing{};  ///< until then
    std::unique_ptr<queue_system::event_source> source{};
    std::vector<queue_system::event_source::received> heard{};  ///< and not settled
    bool retiring = false;                                      ///< the source ends
    timers::time_point left{};                                  ///< when the last one went
    bool is_over() const { return parked.empty() && !looking && !source; }
  };
  struct asking;
  struct parking;
  class on_its_way;
  struct unwritten {
    timers::time_point since{};
    std::vector<handed> deliveries{};
  };

  void check_room(const receive_request& asked) const;
  task<void> reopen_lost(std::shared_ptr<worker> by, std::string of);
  task<void> wait(std::shared_ptr<receiver> r, std::shared_ptr<http::peer> from);
  void announce(const std::string& name);
  void come_to_wait(const std::string& name);
  std::shared_ptr<receiver> taker(const std::string& name, std::size_t text_bytes);
  task<std::vector<due_row>> rows_for(const std::string& name, std::size_t room, bool& saw_all);
  void written(std::uint64_t number);
  task<void> extend(std::vector<handed> delivered);
  void give_back_unwritten();
  static void hurry(queue& q);
  task<void> pause(queue& q);
  void look_soon(const std::string& name, queue& q);
  task<void> look(std::string name);
  void listen(const std::string& name, queue& q);
  void stop_listening(const std::string& name, queue& q);
  static void settle_events(queue& q, std::size_t heard_before, const std::vector<due_row>& left, bool saw_all);
  std::size_t wanted(const queue& q) const;
  bool hand_out(queue& q, std::vector<due_row>& rows);
  std::shared_ptr<receiver> lonely_receiver(queue& q);
  static void unreserve(queue& q);
  void start_claim(std::shared_ptr<receiver> r, std::vector<due_row> rows, bool alone);
  task<void> claim(std::shared_ptr<receiver> r, std::vector<due_row> rows, bool alone);
  void note(receiver& r, const row& granted, bool alone);
  std::size_t claims_at_once(const std::string& name) const;
  void learn_size(const std::string& name, std::size_t asked, bool any_too_large);
  task<void> release(std::vector<claimed> claims, std::string name);
  task<void> tick();
  void notice(const message_store::shared_store::news& changed);
  void hear(const change_feed::news& elsewhere);
  task<void> look_again(std::string name);
  void wake(receiver& r);
  void give(receiver& r);
  void look_if_any(const std::string& name);

  environment env_;
  message_store::async_store store_;
  std::shared_ptr<messages> verbs_;
  platform* engine_;
  receivers_options options_;
  workers workers_;
  std::map<std::string, queue> queues_;          ///< with somebody parked, or a look or a source under way
  std::map<std::string, std::size_t> arriving_;  ///< of each queue, revisions that are being stored and wait there then
  std::map<std::string, std::size_t> claims_at_once_;  ///< of queues whose texts are large, while they are known
  std::map<std::uint64_t, unwritten> unwritten_;       ///< answers on their way, in the order of their numbers
  std::uint64_t last_unwritten_ = 0;
  std::size_t parked_ = 0;
  bool ticking_ = false;
  bool closing_ = false;
  alarm_clock clock_;
  task_group tasks_;
  std::shared_ptr<void> observing_;
  std::shared_ptr<void> observing_elsewhere_;
  std::shared_ptr<receivers*> self_ = std::make_shared<receivers*>(this);  ///< for those who may live longer
};

}  // namespace amc::broker
