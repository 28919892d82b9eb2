#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/activity.hpp"
#include "broker/explanation.hpp"
#include "broker/hand_off.hpp"
#include "broker/life_cycle.hpp"
#include "broker/message_spans.hpp"
#include "broker/messages_metrics.hpp"
#include "broker/pauses.hpp"
#include "broker/refused_answers.hpp"
#include "broker/ringing.hpp"
#include "broker/router.hpp"
#include "core/task.hpp"
#include "core/uuid_source.hpp"
#include "core/work.hpp"
#include "message_store/async_store.hpp"
#include "queue_system/publisher.hpp"

namespace amc::broker {

struct messages_options {
  std::size_t text_max_bytes = 0;                     ///< of one message
  std::size_t claims_max_bytes = 0;                   ///< of the texts of one batch of claims
  std::size_t older_max = 0;                          ///< rows that are counted before one that is explained
  std::shared_ptr<const telemetry::tracer> traces{};  ///< null: nothing is traced
};

/// Of a claim whose delivery has not been written yet: then its broker extends it to the lease.
constexpr milliseconds unwritten_claim_max{10'000};

/// What is given to who works on a claimed row.
claimed_revision delivery_of(const message& m);

/// A new message. Its id must be a new one.
struct accept_request {
  uuid id{};
  content said{};
  life_cycle::accept_options options{};
};

/// What is tried again: as it is, or with another content, which makes the next revision of it, in the queue that it
/// was in, or in another. With a revision: if that is the one it is at.
struct second_try {
  std::optional<int> revision{};
  std::optional<content> said{};
  std::optional<std::string> queue{};
};

/// The verbs of a message's life: each makes the guarded change durable first and rings the queue after. Every text
/// passes `intake` before the store sees it. Any number of these may share a store and an engine, in one process or in
/// many. For one thread. Every verb throws `unavailable` when the store is away: then nothing is claimed to have
/// happened. `by`: who wants it; then what its rights do not allow is refused too: `forbidden`, or, of messages that it
/// may not know of, `not_found`. Null: everything is allowed.
class messages {
 public:
  messages(const environment& env, message_store::async_store store, std::shared_ptr<ringing> rings,
           std::shared_ptr<messages_metrics> numbers, std::shared_ptr<queue_system::publisher> publish,
           std::shared_ptr<const router> routes, uuid_source new_id, std::shared_ptr<activity> seen,
           std::shared_ptr<pauses> paused, messages_options options);
  ~messages();
  messages(const messages&) = delete;
  messages& operator=(const messages&) = delete;

  /// Who is asked about each revision that arrives from now on; null: nobody.
  void hand_off_to(hand_off* who) { hand_off_ = who; }

  /// Of the texts of one batch of claims.
  std::size_t claims_max_bytes() const { return options_.claims_max_bytes; }

  uuid new_id() { return new_id_(); }
  /// The number of a claim that nobody has made before.
  std::int64_t new_claim() const { return claim_number(env_.random()); }
  /// Why nobody can wait for work in a queue of this name, if that is so.
  std::optional<error> refuses_queue(std::string_view name, const principal_ptr& by = {}) const;
  /// The id must be a new one; a message that an idempotency key has made before has another. Errors: invalid (also a
  /// queue that nothing can wait in), too_large, unroutable, key_reused.
  task<result<row>> accept(uuid id, content said, life_cycle::accept_options options = {});
  task<std::vector<result<row>>> accept(std::vector<accept_request> all, principal_ptr by = {});
  /// Why nothing can be changed in the store now; nothing while it can be read and written.
  task<std::optional<std::string>> store_trouble();
  /// Errors: not_found.
  task<result<row>> find(uuid id);
  /// The same for who has a right to it. Errors: not_found, forbidden.
  task<result<row>> find_for(uuid id, access_condition asked);
  /// The same, with what its earlier revisions said.
  task<result<told_past>> history_for(uuid id, access_condition asked);
  /// Errors of each: not_found, terminal, stale, invalid, too_large, unroutable.
  /// `needed`: in the queue that each is in. To go on to another it takes the right to send there, or, where a route
  /// decides, to serve a queue that the route's `from` names.
  task<std::vector<result<row>>> answer(std::vector<answer_request> answers, principal_ptr by = {},
                                        right needed = right::serve);
  task<result<row>> answer(uuid id, std::optional<int> revision, content said, std::optional<destination> to = {},
                           principal_ptr by = {}, right needed = right::serve);
  /// The texts of a batch are bounded: in a batch of several a text that is larger than its share is refused
  /// (needs_room), and granted to who claims it by itself. The first of a batch comes whatever its size. Errors of
  /// each: not_found, terminal, stale, held, needs_alone, needs_room.
  task<std::vector<result<claimed_revision>>> claim(std::vector<claim_request> requests);
  struct numbered_claim {
    event ready{};
    std::int64_t number = 0;
    bool alone = false;
    std::optional<timestamp> held_until{};  ///< where it is known that nobody could claim it before
  };
  std::vector<numbered_claim> numbered(std::vector<claim_request> requests) const;
  /// As `claim`, under numbers that the caller knows whatever becomes of it, with the whole row of each; the texts of a
  /// batch have at most so many bytes together. `holder` names who will have them. `lease_max`: they last no longer,
  /// until they are extended.
  task<std::vector<result<row>>> take(std::vector<numbered_claim> claims, std::size_t texts_max_bytes,
                                      std::string holder = {}, std::optional<milliseconds> lease_max = {},
                                      principal_ptr by = {});
  /// Opens claims whose holder has lost them: they stay counted, and whose they are no more is left alone. Where its
  /// answer was refused it has failed.
  task<void> reopen(std::vector<claimed> claims);
  /// What could be claimed in a queue, the oldest due first; of what was left unanswered less often, where that is
  /// said.
  task<std::vector<due_row>> waiting(std::string queue, std::size_t limit, std::optional<int> unanswered_below = {});
  /// The lease from now on. Errors of each: not_found, terminal, stale.
  task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claims, principal_ptr by = {});
  /// Errors of each: not_found, terminal, stale, held.
  task<std::vector<result<row>>> release(std::vector<claimed> claims, principal_ptr by = {});
  /// Due again after a back-off, or dead. A reason is cut, and what no store takes is replaced. Errors of each:
  /// not_found, terminal, stale.
  task<std::vector<result<row>>> fail(std::vector<failed_claim> failures, principal_ptr by = {});
  /// Errors: not_found, terminal. No error when it is so already.
  task<result<row>> cancel(uuid id, std::optional<int> revision = {}, principal_ptr by = {});
  /// Errors: not_found, terminal (also of what is done), stale, and, of another content or queue, invalid, too_large.
  /// What is pending is left alone: no error as it is, held where it was to be changed.
  task<result<row>> retry(uuid id, principal_ptr by = {}, second_try how = {});
  /// What it says and said, and why it failed, for good. Errors: not_found; held, while it has not ended. No error when
  /// it is so already.
  task<result<row>> erase(uuid id, principal_ptr by = {});
  /// Errors: not_found, terminal, held (somebody works on it).
  task<result<row>> run_now(uuid id, principal_ptr by = {});
  /// Takes the right to operate in both queues. Errors: as of `run_now`, and invalid, stale.
  task<result<row>> move(uuid id, std::string queue, principal_ptr by = {});
  /// Cancels those of these that wait in this queue and that nobody works on; how many those were.
  task<std::size_t> cancel_unclaimed(std::vector<uuid> ids, std::string queue, principal_ptr by = {});
  /// From now on nobody claims from the queue, nothing of it is handed off or rung; whoever has claims there keeps
  /// them. Kept in the store, for all who work on it: those in other processes know within one sweep interval. Errors:
  /// invalid.
  task<result<void>> pause(std::string queue, principal_ptr by = {});
  /// What waits is rung at once. Errors: invalid, unless the queue is paused.
  task<result<void>> resume(std::string queue, principal_ptr by = {});
  /// As far as is known here; null where the queue is not paused.
  const paused_queue* paused(std::string_view queue) const { return paused_->of(queue); }
  /// `needed`: in the queue of each. Errors: invalid, for a queue's name that no store can hold.
  task<result<message_page>> list(list_filter filter, principal_ptr by = {}, right needed = right::read);
  /// How many pending messages a principal owns, counted no further than `at_most`.
  task<std::size_t> pending_of(std::string owner, std::size_t at_most) {
    return store_.pending_of(std::move(owner), at_most);
  }
  /// With the depth of each queue in the engine where that can be had; also of queues that hold nothing, and of those
  /// that only receivers have named.
  struct queue_state {
    queue_counts counts{};
    std::optional<std::size_t> depth{};
    std::vector<left_events> left{};  ///< in engines that the system moves away from
    activity::queue_seen seen{};
    std::optional<milliseconds> oldest_age{};
    std::optional<paused_queue> paused{};
  };
  task<std::vector<queue_state>> queues(principal_ptr by = {});
  /// The same of all, by name, without asking the engine. What was counted is noted in what is seen of each queue.
  task<std::map<std::string, queue_state>> count_queues();
  /// What is known of a message here, but for who is parked. Costs no more however much waits before it.
  task<explanation_facts> facts_about(row what, principal_ptr by = {});
  /// What is noted of what happens to messages.
  activity& seen() const { return *seen_; }
  /// The store's clock.
  task<timestamp> store_time() { return store_.now(); }

  /// Whether the queue engine was reached the last time that something was to be rung.
  bool engine_reachable() const { return rings_->engine_reachable(); }
  const std::optional<std::string>& engine_trouble() const { return rings_->engine_trouble(); }

 private:
  using place = ringing::place;

  result<destination> where(const content& said, const std::optional<destination>& told, const principal_ptr& by);
  result<destination> where_new(const content& said, const std::optional<destination>& told, const principal_ptr& by);
  std::optional<error> refuses_new_queue(const std::string& name, const principal_ptr& by);
  task<result<row>> refuse(answer_request answer, error why, principal_ptr by, right needed);
  task<message_page> visible_page(list_filter filter);
  task<void> end_what_has_run_out(std::vector<outcome>& outcomes);
  /// What is known of a revision until its change is carried out.
  struct on_its_way {
    std::unique_ptr<arrival> arriving{};  ///< null where it goes to no queue, or is to be delivered later
    std::optional<place> room{};          ///< in the engine
    std::optional<std::int64_t> claim() const { return arriving ? arriving->claim() : std::nullopt; }
  };
  on_its_way arrives(const destination& to, std::size_t text_bytes, bool may_be_claimed);
  static void hand_off_if_claimed(change& what, on_its_way& one);
  task<std::vector<outcome>> store_arrivals(std::vector<change> changes, std::vector<on_its_way>& arriving);
  void go_on(const row& now, on_its_way one);
  void tell_opened(const std::vector<outcome>& outcomes) const;
  void tell_settled(const claimed& what, const result<row>& became) const;
  result<life_cycle::other_queue> queue_to_operate_in(const std::string& name, const principal_ptr& by);
  task<result<row>> change_and_ring(change what, bool names_revision = false);
  task<void> try_resumed(std::vector<outcome>& outcomes);

  environment env_;
  message_store::async_store store_;
  std::shared_ptr<ringing> rings_;
  std::shared_ptr<messages_metrics> numbers_;
  std::shared_ptr<queue_system::publisher> publisher_;
  std::shared_ptr<const router> routes_;
  uuid_source new_id_;
  std::shared_ptr<activity> seen_;
  refused_answers refused_answers_;
  std::shared_ptr<pauses> paused_;
  messages_options options_;
  message_spans spans_;
  hand_off* hand_off_ = nullptr;
  std::set<std::string, std::less<>> unrouted_;  ///< queues that messages were sent to, and nothing names
};

}  // namespace amc::broker
