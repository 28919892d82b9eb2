#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/access.hpp"
#include "core/error.hpp"
#include "core/message.hpp"

/// The seam for message stores. The rules of a message's life stand in src/broker/life_cycle; a store only renders
/// guarded changes: it applies an effect to a row where the guard admits it, atomically.
namespace amc {

/// Who wants a change, once access is configured, and what it must be to the row. Never for what the broker itself
/// does.
struct access_condition {
  principal_ptr by{};
  right needed = right::operate;  ///< for the queue that the row is in, or was in last
  bool or_owner = false;          ///< the row's owner may without it
  bool as_holder = false;         ///< and no other principal holds the claim
};
bool permits(const access_condition& asked, const message& current);

/// Who receives from a queue through one process, and how fast, for the others that work on the store.
struct receiving {
  struct service {
    std::string name{};  ///< empty: it told none
    milliseconds seen_ago{};
  };
  std::string queue{};
  std::vector<service> services{};  ///< the one seen last first
  /// Claims in each of the seconds up to this one, which is over, of the clock of that process; the latest first.
  std::int64_t second = 0;
  std::vector<std::uint32_t> taken{};
  std::string from{};  ///< the process, as its opening of the store is called; told by the store
};

/// A queue that nobody may claim from until it is resumed.
struct paused_queue {
  timestamp since{};  ///< by the store's clock
  std::string by{};   ///< the principal that has paused it; empty where nobody is asked who they are
};
using paused_queues = std::map<std::string, paused_queue, std::less<>>;  ///< by name

/// Pauses a queue, or resumes it. What is so already stays as it is.
struct pause_request {
  std::string queue{};
  bool pauses = true;
  std::string by{};
};

/// What a row must be like for a change to happen. An absent member asks for nothing. Times are compared with the
/// store's clock, in the store.
struct guard {
  std::optional<amc::status> status{};
  std::optional<int> revision{};
  std::optional<int> revision_below{};
  std::optional<std::string> queue{};   ///< where it waits
  std::optional<std::int64_t> claim{};  ///< number of the latest claim
  bool claimed = false;                 ///< some claim was granted once
  std::optional<bool> held{};
  std::optional<timestamp> due{};  ///< exactly this
  bool open = false;               ///< not held, or due has passed
  bool claims_left = false;        ///< fewer unanswered claims than the row's max_claims
  std::optional<int> unanswered_below{};
  std::optional<int> unanswered_above{};
  std::optional<bool> expired{};                 ///< whether expires_at is there and has passed
  std::optional<bool> erased{};                  ///< whether its content was erased
  std::optional<std::string> text_other_than{};  ///< … as this form and of this type: another content
  content_form form_other_than = content_form::text;
  std::string type_other_than{};
  std::optional<std::size_t> text_bytes_max{};    ///< the text has no more bytes than this
  bool unclaimed = false;                         ///< nobody works on it: no claim is unanswered, or its lease is over
  std::shared_ptr<const paused_queues> not_in{};  ///< the row's queue is none of these; null asks for nothing
  std::optional<access_condition> access{};
};

/// Makes an insert happen once: a row with this key that is not older than `kept` refuses it.
struct idempotency {
  std::string key{};
  std::string fingerprint{};  ///< of what the key was used for
  milliseconds kept{};
};

/// What a change does to a row. An absent member leaves its column alone. What follows from the others is kept with
/// them: where a message that is done waited last, and its history, with what a revision said that another follows.
struct effect {
  enum class count { keep, zero, one, one_more, one_less };

  std::optional<std::string> text{};  ///< and the next revision with it, of this form and type
  content_form form = content_form::text;
  std::string content_type{};
  std::optional<std::vector<header>> headers{};  ///< with a text only
  std::optional<amc::status> status{};
  std::optional<std::string> queue{};
  std::optional<bool> held{};
  std::optional<milliseconds> due_in{};     ///< due = the store's now + this
  std::optional<timestamp> due_at{};        ///< due = this
  bool due_after_lease = false;             ///< due = the store's now + the row's lease
  std::optional<milliseconds> lease_max{};  ///< of that lease, here only
  std::optional<std::int64_t> new_claim{};  ///< the number of a new claim: one that no row has had before
  std::string holder{};                     ///< of a new claim: who has it. Whatever else but a longer lease ends that
  count unanswered = count::keep;
  count failures = count::keep;
  bool rings = false;   ///< the revision is rung once this is stored
  bool erases = false;  ///< what the message says and said, and why it failed, for good; erased_at = the store's now.
                        ///< It is not kept longer for that: updated_at stays
  std::optional<milliseconds> lease{};
  std::optional<int> max_claims{};
  std::optional<std::string> error{};  ///< one more attempt: the row's revision and claim, the store's now, this
  // Of an insert only:
  std::optional<timestamp> expires_at{};
  std::optional<idempotency> once{};
  std::string traceparent{};
  std::string tracestate{};
  std::string owner{};
};

/// Whether the row of an outcome carries its text, which may be large. Without it `text` is empty.
enum class text_back {
  never,
  when_applied,  ///< and not where the guard refused
  always,
};

/// One change of one row.
struct change {
  uuid id{};
  bool insert = false;  ///< a new row: the effect applied to an empty one; refused where the id or its key exists
  guard when{};
  effect then{};
  bool durable = true;  ///< synced before the outcome is told; without it a crash may undo it, whole
  amc::text_back text_back = amc::text_back::when_applied;
};

/// What became of a change. `now` is the row after it, or, where the guard refused, the row that refused; null where
/// there is none. `at` is the store's clock at the change.
struct outcome {
  bool applied = false;
  row now{};
  timestamp at{};
  std::optional<std::string> unfit{};       ///< why the store cannot take this change, ever; then nothing else is told
  bool unreadable = false;                  ///< there is a row, which cannot be read; nothing else is known
  std::shared_ptr<const change> refused{};  ///< what was not applied; told by shared_store
};

/// What there is under an id. A row that cannot be read, since it holds what no store of this version writes, is logged
/// by the store, once, and costs nobody else anything: lists, counts and what is due leave it out.
struct found_row {
  row now{};  ///< null where there is none, and where it cannot be read
  bool unreadable = false;
};

/// A row for the sweeper: what its guard needs.
struct due_row {
  uuid id{};
  int revision = 0;
  std::string queue{};
  timestamp due{};
  bool held = false;
  int unanswered = 0;
  bool used_up = false;  ///< no claims are left
  bool expired = false;
  std::string traceparent{};
};

/// What could be worked on in one queue.
struct waiting_request {
  std::string queue{};
  /// How long after its ringing a row is due again: one that is due later than that from now is not looked at.
  milliseconds ring_again{};
  std::size_t limit = 0;
  std::optional<int> unanswered_below{};  ///< leaves out what was left unanswered so often
};

/// Which messages to list.
struct list_filter {
  std::optional<amc::status> status{};
  std::string queue{};  ///< empty: of any
  /// Of these only, by the queue that they are in, or were in last; null: of any. What `next` names may be another.
  std::shared_ptr<const queue_patterns> permitted{};
  uuid after{};  ///< those with a greater id
  std::size_t limit = 100;
  std::size_t text_bytes_max = 1 << 20;  ///< of all texts of a page together; the first row comes whatever its size
};

/// Messages in the order of their ids. `next` is where to go on; nothing at the end. A page may hold fewer than the
/// limit, even none, and still go on: a store looks at a bounded number of rows for one page, and its texts are
/// bounded.
struct message_page {
  std::vector<row> rows{};
  std::optional<uuid> next{};
  std::optional<std::string> unfit{};  ///< why the store cannot take this filter, ever; then nothing else is told
};

/// What waits in a queue, and what died there.
struct queue_counts {
  std::string queue{};
  std::size_t pending = 0;
  std::size_t due = 0;  ///< of them, those whose due has passed
  std::size_t held =
      0;  ///< of them, those that nobody may claim before they are due: claimed, scheduled, in a back-off
  std::size_t dead = 0;
  std::optional<timestamp> oldest{};  ///< when the oldest was accepted that could be worked on now: un-held, or due
};

/// Where a row stands that could be worked on.
struct place_question {
  uuid id{};
  std::string queue{};
  timestamp due{};            ///< of the row
  milliseconds ring_again{};  ///< as in `waiting_request`
  std::size_t limit = 0;      ///< rows that are counted
};

/// What there is in a queue besides one row.
struct place_told {
  /// Rows that `store::waiting` tells before it, those included that have just expired or used up their claims; no more
  /// than the limit.
  std::size_t before = 0;
  /// Who holds claims there, each name once: of the few that end first. Empty for who told none.
  std::vector<std::string> holders{};
};

/// A row with what its revisions said that others have followed, as they were at one moment.
struct told_past {
  found_row of{};                        ///< with its text
  std::vector<past_content> contents{};  ///< the oldest first; those that are kept
  bool unreadable = false;               ///< some of them cannot be read
};

/// What may be deleted: messages that have been terminal for so long.
struct purge_request {
  milliseconds kept{};                    ///< done, cancelled, expired
  milliseconds dead_kept{};               ///< dead
  uuid after{};                           ///< looks at rows with a greater id
  std::size_t limit = 0;                  ///< rows that it looks at
  std::size_t text_bytes_max = 64 << 20;  ///< stops once the texts deleted, of the past too, have so many bytes
};

/// `next` is where to go on; nothing when all that is old enough has been looked at.
struct purged {
  std::size_t count = 0;
  std::optional<uuid> next{};
};

/// A message store. Blocking; used by one thread at a time. Every method may throw `unavailable`, whose reason says
/// what is known about the outcome. Expected refusals are outcomes, never exceptions.
class store {
 public:
  virtual ~store() = default;

  /// All changes, in order, in one transaction that is durable before this returns if any change asks for it. Each has
  /// its own outcome: one that is refused hinders no other. Nor does one that is unfit: where there are any, the others
  /// may be several transactions. On an exception none was applied, unless its reason is outcome_unknown.
  virtual std::vector<outcome> apply(std::span<const change> batch) = 0;

  /// The rows with these ids, in order. Without their texts unless asked for.
  virtual std::vector<found_row> find(std::span<const uuid> ids, bool with_text) = 0;

  /// Of each queue up to `limit` pending rows whose due has passed, oldest due first; and up to `limit` pending rows of
  /// any queue that have expired.
  virtual std::vector<due_row> due(std::size_t limit) = 0;

  /// Pending rows of one queue that a claim could be granted for: not held or their due has passed, not expired, with
  /// claims left. Those that were rung come first, as they would from an engine; among these, and among the others, the
  /// oldest due. Costs something for each held row that is due within `ring_again`.
  virtual std::vector<due_row> waiting(const waiting_request& which) = 0;

  /// Makes every pending row that is not held due now, in bounded transactions: where it throws, some may be. For an
  /// engine that is known to be empty. `queue`: of this one, before what waits there already; empty: of all queues.
  virtual void make_all_due(const std::string& queue) = 0;

  /// The queues that are paused. With a request, once that has been carried out durably.
  virtual paused_queues paused(const std::optional<pause_request>& request) = 0;
  /// Tells the other processes that work on the store, as far as they listen just now: nothing of it is kept. Does
  /// nothing where there can be no other.
  virtual void tell_receiving(std::span<const receiving>) {}

  /// Deletes what a look at `limit` rows finds old enough.
  virtual purged purge(const purge_request& what) = 0;

  /// Writes durably, with the rights that changes need, and leaves everything as it was. Throws while `apply` would.
  virtual void try_writing() = 0;

  /// The store's clock.
  virtual timestamp now() = 0;
};

/// Lists and counts, which may take long: no change of a message waits for them. Blocking; used by one thread. Sees
/// whatever was told before. Every method may throw `unavailable`.
class store_reader {
 public:
  virtual ~store_reader() = default;

  virtual message_page list(const list_filter& filter) = 0;

  /// Pending messages of an owner, counted no further than `at_most`. Costs something for each of those, and nothing
  /// for the rest.
  virtual std::size_t pending_of(const std::string& owner, std::size_t at_most) = 0;

  /// Of each queue with pending or dead messages. Costs something for each of those, and nothing for the rest.
  virtual std::vector<queue_counts> counts() = 0;

  /// Costs something for each row that it counts, and no more however many there are.
  virtual place_told place_of(const place_question& which) = 0;
  /// Of so many claims it tells the holders: what a row keeps behind its text is as far away as that is long.
  static constexpr std::size_t holders_looked_at = 32;
  /// Among so many rows that are held: the others are scheduled, or in their back-off.
  static constexpr std::size_t held_looked_at = 1'000;

  /// A row, and what its earlier revisions said. Nothing else reads that.
  virtual told_past past_of(const uuid& id) = 0;
};

/// Tells what other processes have changed in a store. Blocking; used by one thread. Throws `unavailable` while it
/// cannot be told; changes that were missed meanwhile are told as `everything` once it can.
class change_feed {
 public:
  struct news {
    std::vector<uuid> ids{};            ///< these rows may have changed
    bool everything = false;            ///< and so may have any other
    std::vector<std::string> queues{};  ///< in these something has come to wait that nothing rings
    std::vector<receiving> received{};  ///< who receives through others
    std::vector<std::string> from{};    ///< the processes that have changed something, as they are called
    bool hears_nobody = false;          ///< what others do is only found by looking, and so not who they are
  };
  virtual ~change_feed() = default;
  /// Returns as soon as there is something, and empty when the time is over.
  virtual news wait(milliseconds longest) = 0;
};

/// A store as it was opened.
struct opened_store {
  std::vector<std::unique_ptr<store>> drivers{};     ///< one for each thread that may work on it at once
  std::unique_ptr<store_reader> reader{};            ///< may read through a driver's file, and so ends before them
  std::unique_ptr<change_feed> changes_elsewhere{};  ///< null where only this process can change it
};

/// Whether somebody works on the row: its latest claim has neither an outcome nor come to the end of its lease.
bool is_claimed(const message& current, timestamp now);

/// Whether the guard admits the row, and the row after the effect: what `apply` means, for stores that hold a row in
/// hand. Stores that speak another language are held to it by the contract tests.
bool admits(const guard& when, const message& current, timestamp now);
/// As `admits` would say if the guard asked nothing of the text, which may not have been read.
bool admits_but_for_text(const guard& when, const message& current, timestamp now);
inline bool asks_for_text(const guard& when) {
  return when.text_other_than || when.text_bytes_max;
}
/// Whether the row of the outcome carries its text.
inline bool tells_text(const change& what, bool applied) {
  return what.text_back == text_back::always || (applied && what.text_back == text_back::when_applied);
}
/// Whether the row says what the guard wants to be another content.
inline bool says_the_same(const guard& when, const message& current) {
  return when.text_other_than && current.text == *when.text_other_than && current.form == when.form_other_than &&
         current.content_type == when.type_other_than;
}
/// The principal that wants the change; empty where nobody is asked who they are, and of what the broker does itself.
const std::string& asked_by(const change& what);
/// What the row's history says of the change; null where that is nothing to remember.
const char* what_becomes(const change& what);
/// Whether there is a revision that another follows: what it said is kept.
bool supersedes(const change& what);
/// Adds what a revision said, unless it alone has more than `max_bytes`; the oldest go where they would be more.
void keep_past(std::vector<past_content>& kept, const message& before, std::size_t max_bytes);
message changed(const change& what, const message* current, timestamp now);
/// The same of a row in place; of an insert the row is a fresh one.
void change_row(const change& what, message& row, timestamp now);
message fresh_row(const uuid& id, timestamp now);

}  // namespace amc
