#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/life_cycle.hpp"
#include "broker/messages_metrics.hpp"
#include "broker/router.hpp"
#include "core/task.hpp"
#include "core/uuid_source.hpp"
#include "core/work.hpp"
#include "message_store/async_store.hpp"
#include "queue_system/publisher.hpp"

namespace amc::broker {

struct messages_options {
  milliseconds sweep_interval{250};  ///< between two looks for due rows
  std::size_t sweep_max = 1'000;     ///< rows of one queue that one look rings
  milliseconds purge_interval{1'000};
  purge_request purge{.kept = std::chrono::days(7), .dead_kept = std::chrono::days(30)};
};

/// The verbs of a message's life: each makes the guarded change durable first and rings the queue after. Its relay
/// rings what it has changed itself, its sweeper whatever is due. Any number of these may share a store and an engine,
/// in one process or in many. For one thread. Every verb throws `unavailable` when the store is away: then nothing is
/// claimed to have happened.
class messages {
 public:
  messages(const environment& env, std::shared_ptr<message_store::async_store> store,
           std::shared_ptr<queue_system::publisher> publish, std::shared_ptr<const router> routes, uuid_source new_id,
           messages_options options);

  /// Starts the sweeper and the purger. `engine_is_empty`: everything that nobody holds is rung at once.
  void run(bool engine_is_empty);
  /// Ends them and waits for ringings under way.
  task<void> stop();

  uuid new_id() { return new_id_(); }
  /// The id must be a new one; a message that an idempotency key has made before has another. Errors: unroutable,
  /// key_reused.
  task<result<row>> accept(uuid id, std::string text, life_cycle::accept_options options = {});
  /// Throws unless the store can be read and written.
  task<void> check_store() { return store_->check(env_); }
  /// Errors: not_found.
  task<result<row>> find(uuid id);
  /// Errors of each: not_found, terminal, stale, unroutable.
  task<std::vector<result<row>>> answer(std::vector<answer_request> answers);
  task<result<row>> answer(uuid id, std::optional<int> revision, std::string text);
  /// Errors of each: not_found, terminal, stale, held, needs_alone.
  task<std::vector<result<granted>>> claim(std::vector<claim_request> requests);
  /// The lease from now on. Errors of each: not_found, terminal, stale.
  task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claims);
  /// Errors of each: not_found, terminal, stale, held.
  task<std::vector<result<row>>> release(std::vector<claimed> claims);
  /// Due again after a back-off, or dead. Errors of each: not_found, terminal, stale.
  task<std::vector<result<row>>> fail(std::vector<failed_claim> failures);
  /// Errors: not_found, terminal. No error when it is so already.
  task<result<row>> cancel(uuid id);
  task<result<row>> retry(uuid id);
  task<message_page> list(list_filter filter) { return store_->list(env_, std::move(filter)); }
  /// With the depth of each queue in the engine where that can be had, also of queues that hold nothing.
  struct queue_state {
    queue_counts counts{};
    std::optional<std::size_t> depth{};
  };
  task<std::vector<queue_state>> queues();
  /// The store's clock.
  task<timestamp> store_time() { return store_->now(env_); }

  /// Whether the queue engine was reached the last time it was needed.
  bool engine_reachable() const { return engine_reachable_; }

 private:
  struct known_queue {
    std::size_t depth = 0;       ///< as last asked, and what this process has taken since
    std::size_t on_the_way = 0;  ///< of that, what the engine may not have yet
    bool backlog = false;        ///< older rows wait for room
  };
  /// Room in a queue for one event, until the engine has the event or it comes to nothing.
  class place {
   public:
    explicit place(known_queue& in) : in_(&in) {
      ++in.depth;
      ++in.on_the_way;
    }
    ~place() {
      if (in_) --in_->on_the_way;
    }
    place(place&& other) noexcept : in_(std::exchange(other.in_, nullptr)) {}

   private:
    known_queue* in_;
  };
  /// What is rung together.
  struct ringings {
    std::vector<queue_system::publisher::ringing> events;
    std::vector<place> places;
  };

  void note_end(const row& now);
  task<result<row>> refuse_unroutable(answer_request answer);
  std::optional<place> take_room(const life_cycle::destination& to);
  void ring(const row& now, place taken, const char* by);
  void ring_if_waiting(const row& now, std::optional<place> taken);
  task<void> publish();
  void note_engine(bool reachable, const std::string& why);

  task<void> sweeper_loop(bool engine_is_empty);
  task<void> sweep();
  task<void> end_what_is_over(const std::vector<due_row>& rows);
  task<void> ring_again(const std::vector<due_row>& rows);
  task<void> ask_depths();
  std::vector<change> choose(const std::vector<due_row>& rows);
  void look_now();
  bool is_filling(const std::string& queue, const known_queue& state) const;
  bool feeding() const;
  bool feeding_has_room() const;
  task<void> purger_loop();

  environment env_;
  std::shared_ptr<message_store::async_store> store_;
  std::shared_ptr<queue_system::publisher> publisher_;
  std::shared_ptr<const router> routes_;
  uuid_source new_id_;
  messages_options options_;
  std::map<std::string, known_queue, std::less<>> queues_;
  ringings to_ring_;                ///< by the next `publish`
  timers::time_point next_look_{};  ///< at the store, when no queue that is fed has room
  bool engine_reachable_ = true;
  bool stopping_ = false;
  messages_metrics numbers_;
  alarm_clock sweep_clock_;
  alarm_clock purge_clock_;
  task_group tasks_;
};

}  // namespace amc::broker
