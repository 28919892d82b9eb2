#pragma once

#include <optional>
#include <string>

#include "core/error.hpp"
#include "core/work.hpp"
#include "message_store/store.hpp"

/// The life of a message, as plain logic without I/O: each function turns a request into a guarded change, and
/// `refusal` names the error when a row refused it. docs/architecture.md has the table.
namespace amc::broker::life_cycle {

/// What a queue's messages are treated with. Times are added to the store's now.
struct policy {
  milliseconds lease{};       ///< how long a claim lasts
  milliseconds ring_again{};  ///< how long after a ringing a revision that nobody claimed is rung again
  int max_claims = 0;         ///< dead when so many claims went unanswered
  int max_failures = 0;       ///< dead when a revision failed more often
  int max_revisions = 0;      ///< dead when it would grow beyond
  milliseconds back_off_initial{};
  int back_off_factor = 0;
  milliseconds back_off_max{};
  int back_off_jitter_percent = 0;  ///< a pause is up to so much shorter; decided by id and claim
};

using amc::destination;
using amc::to_done;
using amc::to_queue;

/// Claims that may go unanswered before a message is only claimed alone.
constexpr int claims_in_company = 2;

/// What a new message may bring along.
struct accept_options {
  std::optional<destination> to{};        ///< without one the routes decide
  std::optional<timestamp> deliver_at{};  ///< held until then
  std::optional<timestamp> expires_at{};
  std::optional<idempotency> once{};
  std::string traceparent{};
  std::string tracestate{};
  std::string owner{};
};

/// A new message. `rings_now`: the caller rings once this is durable; otherwise it is due at once, for the sweeper.
change accept(const uuid& id, content said, const destination& to, bool rings_now, const policy& rules,
              accept_options options = {});

/// The right to work on a revision, for one lease. `number` is the claim's, a new one; `holder`: who will have it, for
/// people; a long name is cut. `lease_max`: it lasts no longer, until it is extended.
change claim(const event& ready, std::int64_t number, bool alone, std::string_view holder = {},
             std::optional<milliseconds> lease_max = {});

/// Makes a revision that arrives in a queue one that is stored under this claim: whoever waits for it may begin at
/// once.
void hand_off(change& arriving, std::int64_t number, std::string_view holder = {},
              std::optional<milliseconds> lease_max = {});

/// One more lease for the latest claim.
change extend(const event& ready, std::int64_t claim);

/// The next text. Without a revision the last writer wins, and the same again changes nothing, unless it brings
/// headers. `names_claim`: nobody can have been granted the claim that it names where the message was never claimed.
change answer(const uuid& id, std::optional<int> revision, content said, const destination& to, bool rings_now,
              const policy& rules, bool names_claim = false);

/// What becomes of an answer without a revision where the message has none left: its last one, with which it is dead,
/// as with an answer that names its revision. Nothing where the refusal had another reason, or where it was applied.
std::optional<change> last_answer(const outcome& became, const policy& rules);

/// The latest claim of this row has failed: due again after a back-off, or dead; for good where trying again would not
/// help.
change fail(const message& read, std::int64_t claim, std::string reason, bool is_final, const policy& rules);

/// Gives a claim back unworked: somebody else may have it at once.
change release(const event& ready, std::int64_t claim);

/// Opens a claim whose holder has lost it, or is gone: somebody else may have it at once, and it stays counted.
change reopen(const event& ready, std::int64_t claim);

change cancel(const uuid& id, std::optional<int> revision = {});

/// The same change, wanted by somebody: made where it has the right to. Nothing is added for whom everything is
/// allowed.
struct entitlement {
  right needed = right::operate;  ///< for the queue that the row is in, or was in last
  bool or_owner = false;          ///< who posted the message may without it
  bool as_holder = false;         ///< and no other principal has the claim that it is about
};
change wanted_by(const principal_ptr& who, const entitlement& by, change what);
/// The same change, made unless the row is in a queue that is paused.
change unless_paused(std::shared_ptr<const paused_queues> queues, change what);
/// A key that is another one for each owner.
std::string key_of(const principal_ptr& owner, const std::string& key);

/// A dead or cancelled row, as it was read, is pending again; `to`: in this queue, treated as it treats its messages.
struct other_queue {
  std::string name{};
  policy rules{};
};
change retry(const message& read, std::optional<other_queue> to = {});
/// The same with another content: the next revision, and so new work for whoever has seen this one.
change edit(const message& read, content said, const other_queue& to);

/// What waits for a date, or for the end of its back-off, is due now. What somebody works on is left alone.
change run_now(const uuid& id);
/// A pending row, as it was read, and where it was, waits in this queue, treated as it treats its messages: tried
/// afresh, no sooner than before. What somebody works on is left alone.
change move(const message& read, const other_queue& to);
/// Cancels what waits in this queue and nobody works on: by now it may have gone on to another.
change cancel_unclaimed(const uuid& id, std::string queue);

/// What a message said that has ended, in all its revisions, and why it failed, for good: the row as it was read.
change erase(const message& read);

/// The sweeper's, for rows that are still as they were read: rung again, dead because no claim is left, expired.
change ring(const due_row& read, const policy& rules);
change bury(const due_row& read);
change expire(const due_row& read);

/// There is no such message; `hides`: or none that who asks may know of.
error not_found(const uuid& id, bool hides = false);
/// Somebody has named another revision than the one that it is at.
error other_revision(const message& m, int named);
/// Why a row that is there is neither shown nor changed.
error unreadable(const uuid& id);

/// Why what was erased is not worked on again.
error erased(const message& m);

/// "orders is paused since 14:02:11 UTC by ops": for people.
std::string paused_in_words(std::string_view queue, const paused_queue& paused, timestamp now);

/// Why who asked may not do what it may know of.
error forbidden();
/// What is refused to who asks for a message, before anything else is; nothing where it may have what it asks for.
/// Whoever may not know of it is told what it would be told of an id that there is not.
std::optional<error> refused_access(const access_condition& asked, const message& current);

/// Why a change was refused, given what became of it. For last-writer-wins answers it may be that nothing was left to
/// do: then there is no error.
std::optional<error> refusal(const change& refused, const outcome& became);

/// What a change means to who wanted it: the row as it is now, or why it was refused. An outcome as shared_store tells
/// it.
result<row> settled(const outcome& became);

}  // namespace amc::broker::life_cycle
