#include "broker/life_cycle.hpp"

#include <cmath>

#include "core/invariant.hpp"
#include "core/text.hpp"
#include "core/time_text.hpp"

namespace amc::broker::life_cycle {
namespace {

/// A revision arrives somewhere: the columns that start afresh.
effect arrival(content said, const destination& to, bool rings_now, const policy& rules) {
  effect then{.text = std::move(said.text),
              .form = said.form,
              .content_type = std::move(said.content_type),
              .headers = std::move(said.headers),
              .status = status::pending,
              .queue = "",
              .held = false,
              .due_in = rings_now ? rules.ring_again : milliseconds(0),
              .unanswered = effect::count::zero,
              .failures = effect::count::zero,
              .rings = rings_now,
              .lease = rules.lease,
              .max_claims = rules.max_claims};
  if (const auto* queue = std::get_if<to_queue>(&to)) {
    then.queue = queue->name;
  } else {
    then.status = status::done;
    then.rings = false;
  }
  return then;
}

/// Between 0 and 1, the same for one claim: ids end with 62 random bits.
double spread(const uuid& id, std::int64_t claim) {
  std::uint64_t bits = 0;
  for (int i = 8; i < 16; ++i) bits = bits << 8 | id.data[i];
  bits = (bits ^ static_cast<std::uint64_t>(claim)) * 0x9e37'79b9'7f4a'7c15;
  return static_cast<double>(bits >> 11) / static_cast<double>(std::uint64_t{1} << 53);
}

/// Initial · factor^failures, no longer than the maximum, and up to the jitter shorter.
milliseconds back_off(const message& read, std::int64_t claim, const policy& rules) {
  const auto longest = static_cast<double>(rules.back_off_max.count());
  const auto grown =
      static_cast<double>(rules.back_off_initial.count()) * std::pow(rules.back_off_factor, read.failures);
  const auto shorter = 1.0 - spread(read.id, claim) * rules.back_off_jitter_percent / 100.0;
  return milliseconds(static_cast<std::int64_t>(std::min(grown, longest) * shorter));
}

/// What every change must be, whatever it was asked for.
void ensure_well_formed(const change& what) {
  const auto& when = what.when;
  const auto& then = what.then;
  ensure(!then.text || (then.status && then.queue && then.held && then.lease && then.max_claims),
         "a new revision says all that begins afresh");
  ensure(then.text || (!then.headers && then.content_type.empty()), "a content has a text");
  ensure(!then.text || *then.status != status::pending || !then.queue->empty(), "what is pending waits in a queue");
  ensure(!when.revision || *when.revision >= 0, "revisions count from 1; 0 is that of no message");
  ensure(what.insert || when.status, "a change says which status it is for");
  ensure(!then.new_claim || (then.held && *then.held && then.due_after_lease), "a claim holds a row for a lease");
  ensure(!then.new_claim || then.text || (when.open && when.claims_left), "what is claimed is new, or open");
  ensure(what.durable || !(then.text || then.status), "what is told to a client is durable");
  ensure(!then.rings || (then.held == false && then.due_in), "what is rung is open, and rung again later");
  ensure(!then.erases || (*when.status != status::pending && !then.text && !then.status),
         "only what has ended is erased, and stays as it ended");
  ensure(then.status != status::pending || !then.error, "only what ends or fails has a reason");
}

change well_formed(change what) {
  ensure_well_formed(what);
  return what;
}

const paused_queue* find_in(const paused_queues& all, const std::string& queue) {
  const auto found = all.find(queue);
  return found == all.end() ? nullptr : &found->second;
}

std::string by_whom(const message& claimed) {
  return claimed.holder.empty() ? "" : " (" + escaped(claimed.holder) + ")";
}

guard as_read(const due_row& read) {
  return {.status = status::pending, .revision = read.revision, .held = read.held, .due = read.due};
}

}  // namespace

change accept(const uuid& id, content said, const destination& to, bool rings_now, const policy& rules,
              accept_options options) {
  change what{.id = id, .insert = true, .then = arrival(std::move(said), to, rings_now, rules)};
  if (options.deliver_at && what.then.status == status::pending) {
    what.then.held = true;
    what.then.due_at = options.deliver_at;
    what.then.rings = false;
  }
  what.then.expires_at = options.expires_at;
  what.then.once = std::move(options.once);
  what.then.traceparent = std::move(options.traceparent);
  what.then.tracestate = std::move(options.tracestate);
  what.then.owner = std::move(options.owner);
  what.text_back = text_back::always;
  ensure_well_formed(what);
  return what;
}

change claim(const event& ready, std::int64_t number, bool alone, std::string_view holder,
             std::optional<milliseconds> lease_max) {
  change what{
      .id = ready.id,
      .when =
          {.status = status::pending, .revision = ready.revision, .open = true, .claims_left = true, .expired = false},
      .then = {.held = true, .due_after_lease = true, .new_claim = number, .unanswered = effect::count::one_more},
      .durable = false};
  if (!alone) what.when.unanswered_below = claims_in_company;
  what.then.holder = shortened(holder, holder_max_bytes);
  what.then.lease_max = lease_max;
  ensure_well_formed(what);
  return what;
}

void hand_off(change& arriving, std::int64_t number, std::string_view holder, std::optional<milliseconds> lease_max) {
  auto& then = arriving.then;
  ensure(then.text && then.status == status::pending && then.held == false,
         "only what arrives in a queue is handed off");
  then.held = true;
  then.due_in.reset();
  then.rings = false;
  then.due_after_lease = true;
  then.lease_max = lease_max;
  then.new_claim = number;
  then.holder = shortened(holder, holder_max_bytes);
  then.unanswered = effect::count::one;
  ensure_well_formed(arriving);
}

change extend(const event& ready, std::int64_t claim) {
  return well_formed(
      {.id = ready.id,
       .when = {.status = status::pending, .revision = ready.revision, .claim = claim, .unanswered_above = 0},
       .then = {.held = true, .due_after_lease = true},
       .durable = false,
       .text_back = text_back::never});
}

change answer(const uuid& id, std::optional<int> revision, content said, const destination& to, bool rings_now,
              const policy& rules, bool names_claim) {
  change what{.id = id, .when = {.status = status::pending, .revision = revision, .claimed = names_claim}};
  if (!revision) what.text_back = text_back::always;
  if (!revision && !said.headers) {
    what.when.text_other_than = said.text;
    what.when.form_other_than = said.form;
    what.when.type_other_than = said.content_type;
  }
  what.then = arrival(std::move(said), to, rings_now, rules);
  const bool goes_on = what.then.status == status::pending;
  const bool runs_out = goes_on && revision && *revision >= rules.max_revisions;
  if (runs_out) {
    what.then.status = status::dead;
    what.then.error = "more than " + std::to_string(rules.max_revisions) + " revisions";
    what.then.rings = false;
  }
  // Without a revision only the row knows; and no number is above the greatest.
  what.when.revision_below = goes_on && !revision ? rules.max_revisions : INT32_MAX;
  ensure_well_formed(what);
  return what;
}

std::optional<change> last_answer(const outcome& became, const policy& rules) {
  if (became.applied) return {};
  const auto& refused = *became.refused;
  const auto& by = became.now;
  if (refused.when.revision || !refused.then.text || !refused.when.revision_below) return {};
  if (!by || (refused.when.access && !permits(*refused.when.access, *by))) return {};
  if (by->status != status::pending || says_the_same(refused.when, *by)) return {};
  if (by->revision < *refused.when.revision_below || by->revision == INT32_MAX) return {};
  const destination to = to_queue{refused.then.queue.value_or("")};
  content said = *refused.then.text;
  said.form = refused.then.form;
  said.content_type = refused.then.content_type;
  said.headers = refused.then.headers;
  auto last = answer(refused.id, by->revision, std::move(said), to, false, rules);
  last.when.access = refused.when.access;
  last.text_back = text_back::always;
  return last;
}

change fail(const message& read, std::int64_t claim, std::string reason, bool is_final, const policy& rules) {
  // A failure that is told twice finds no claim unanswered, and does not count twice.
  const auto pause = back_off(read, claim, rules);
  change what{.id = read.id,
              .when = {.status = status::pending, .revision = read.revision, .claim = claim, .unanswered_above = 0},
              .then = {.held = true,
                       .due_in = pause,
                       .unanswered = effect::count::zero,
                       .failures = effect::count::one_more,
                       .error = std::move(reason)},
              .text_back = text_back::never};
  if (is_final || read.failures + 1 > rules.max_failures) what.then.status = status::dead;
  ensure_well_formed(what);
  return what;
}

change release(const event& ready, std::int64_t claim) {
  // `held` keeps a release that is sent twice from counting twice. One that comes after its claim's failure finds the
  // claim answered, and leaves the back-off alone.
  return well_formed(
      {.id = ready.id,
       .when =
           {.status = status::pending, .revision = ready.revision, .claim = claim, .held = true, .unanswered_above = 0},
       .then = {.held = false, .due_in = milliseconds(0), .unanswered = effect::count::one_less},
       .durable = false,
       .text_back = text_back::never});
}

change reopen(const event& ready, std::int64_t claim) {
  return well_formed(
      {.id = ready.id,
       .when =
           {.status = status::pending, .revision = ready.revision, .claim = claim, .held = true, .unanswered_above = 0},
       .then = {.held = false, .due_in = milliseconds(0)},
       .durable = false,
       .text_back = text_back::never});
}

change cancel(const uuid& id, std::optional<int> revision) {
  return well_formed({.id = id,
                      .when = {.status = status::pending, .revision = revision},
                      .then = {.status = status::cancelled},
                      .text_back = text_back::always});
}

change cancel_unclaimed(const uuid& id, std::string queue) {
  auto what = cancel(id);
  what.when.queue = std::move(queue);
  what.when.unclaimed = true;
  what.text_back = text_back::never;
  ensure_well_formed(what);
  return what;
}

change run_now(const uuid& id) {
  return well_formed({.id = id,
                      .when = {.status = status::pending, .held = true, .expired = false, .unclaimed = true},
                      .then = {.held = false, .due_in = milliseconds(0)},
                      .text_back = text_back::always});
}

change move(const message& read, const other_queue& to) {
  change what{.id = read.id,
              .when = {.status = status::pending,
                       .revision = read.revision,
                       .queue = read.queue,
                       .held = read.held,
                       .expired = false,
                       .unclaimed = true},
              .then = {.queue = to.name,
                       .unanswered = effect::count::zero,
                       .failures = effect::count::zero,
                       .lease = to.rules.lease,
                       .max_claims = to.rules.max_claims},
              .text_back = text_back::always};
  // What is held is due when it was to be: at its date, or after its back-off.
  if (!read.held) {
    what.then.held = false;
    what.then.due_in = milliseconds(0);
  }
  ensure_well_formed(what);
  return what;
}

change edit(const message& read, content said, const other_queue& to) {
  return well_formed({.id = read.id,
                      .when = {.status = read.status,
                               .revision = read.revision,
                               .revision_below = INT32_MAX,
                               .expired = false,
                               .erased = false},
                      .then = arrival(std::move(said), to_queue{to.name}, false, to.rules),
                      .text_back = text_back::always});
}

change retry(const message& read, std::optional<other_queue> to) {
  change what{.id = read.id,
              .when = {.status = read.status, .revision = read.revision, .expired = false, .erased = false},
              .then = {.status = status::pending, .unanswered = effect::count::zero, .failures = effect::count::zero},
              .text_back = text_back::always};
  // One that was cancelled before its date, and never worked on, keeps it.
  const bool waits_for_its_date = read.status == status::cancelled && read.held && read.claim == 0;
  if (!waits_for_its_date) {
    what.then.held = false;
    what.then.due_in = milliseconds(0);
  }
  if (to) {
    what.then.queue = std::move(to->name);
    what.then.lease = to->rules.lease;
    what.then.max_claims = to->rules.max_claims;
  }
  ensure_well_formed(what);
  return what;
}

change erase(const message& read) {
  return well_formed({.id = read.id,
                      .when = {.status = read.status, .revision = read.revision, .erased = false},
                      .then = {.erases = true},
                      .text_back = text_back::always});
}

change ring(const due_row& read, const policy& rules) {
  return well_formed({.id = read.id,
                      .when = as_read(read),
                      .then = {.held = false, .due_in = rules.ring_again, .rings = true},
                      .durable = false,
                      .text_back = text_back::never});
}

change bury(const due_row& read) {
  auto when = as_read(read);
  when.unanswered_above = read.unanswered - 1;  // where it was moved meanwhile it starts afresh
  return well_formed(
      {.id = read.id,
       .when = std::move(when),
       .then = {.status = status::dead, .error = "no answer to " + std::to_string(read.unanswered) + " claims"},
       .text_back = text_back::never});
}

change expire(const due_row& read) {
  return well_formed({.id = read.id,
                      .when = {.status = status::pending, .expired = true},
                      .then = {.status = status::expired},
                      .text_back = text_back::never});
}

change wanted_by(const principal_ptr& who, const entitlement& by, change what) {
  if (who) what.when.access = access_condition{who, by.needed, by.or_owner, by.as_holder};
  return what;
}

change unless_paused(std::shared_ptr<const paused_queues> queues, change what) {
  what.when.not_in = std::move(queues);
  return what;
}

std::string paused_in_words(std::string_view queue, const paused_queue& paused, timestamp now) {
  auto words = escaped(queue) + " is paused since " + clock_time(paused.since, now);
  if (!paused.by.empty()) words += " by " + escaped(paused.by);
  return words;
}

/// No key has a line feed.
std::string key_of(const principal_ptr& owner, const std::string& key) {
  return owner ? owner->name + "\n" + key : key;
}

error forbidden() {
  return {errc::forbidden, "Your rights do not include this (broker.access.tokens_file)."};
}

error not_found(const uuid& id, bool hides) {
  return {errc::not_found, "Message \"" + to_string(id) + "\" not found.", hides};
}

std::optional<error> refused_access(const access_condition& asked, const message& current) {
  if (!sees(*asked.by, current)) return not_found(current.id, true);
  // Whose claim it is comes with the other questions about the claim.
  const access_condition but_for_claim{asked.by, asked.needed, asked.or_owner, false};
  return permits(but_for_claim, current) ? std::nullopt : std::optional(forbidden());
}

error erased(const message& m) {
  return {errc::terminal, "The content of this message was erased at " + to_rfc3339(*m.erased_at) +
                              ": there is nothing left to work on. Post it anew."};
}

error other_revision(const message& m, int named) {
  return error{errc::stale,
               "The message is at revision " + std::to_string(m.revision) + ", not " + std::to_string(named) + "."};
}

error unreadable(const uuid& id) {
  return {errc::unreadable, "The row of message \"" + to_string(id) +
                                "\", or of the one that has its Idempotency-Key, "
                                "cannot be read; the broker's log says what is wrong with it."};
}

std::optional<error> refusal(const change& refused, const outcome& became) {
  const auto& when = refused.when;
  const auto& by = became.now;
  if (became.unreadable && when.access && !when.access->by->sees_everything()) return not_found(refused.id, true);
  if (became.unreadable) return unreadable(refused.id);
  if (became.unfit) return error{errc::invalid, "The store cannot take this: " + *became.unfit};
  if (!by) return not_found(refused.id);
  if (auto access = when.access ? refused_access(*when.access, *by) : std::nullopt) return access;
  if (refused.insert && refused.then.once && by->idempotency_key == refused.then.once->key) {
    if (by->fingerprint == refused.then.once->fingerprint) return {};
    return error{errc::key_reused, "This Idempotency-Key was used for another request."};
  }
  if (refused.insert) return error{errc::stale, "Message \"" + to_string(refused.id) + "\" exists already."};
  if (says_the_same(when, *by)) return {};
  // Already so.
  if (refused.then.status && *refused.then.status == by->status && !refused.then.text && !when.claim) return {};
  if (when.status && by->status != *when.status)
    return error{errc::terminal, std::string("The message is ") + to_string(by->status) + "."};
  if (refused.then.erases && by->erased_at) return {};  // already so
  if (when.erased == false && by->erased_at) return erased(*by);
  if (when.revision && by->revision != *when.revision) return other_revision(*by, *when.revision);
  if (when.revision_below && by->revision >= *when.revision_below)
    return error{errc::stale,
                 "The message is at revision " + std::to_string(by->revision) + " and takes no other (max_revisions)."};
  if (when.queue && by->queue != *when.queue) {
    if (refused.then.queue == by->queue) return {};  // already so
    return error{errc::stale, "The message waits in the queue \"" + escaped(by->queue) + "\" by now."};
  }
  if (when.claim && by->claim != *when.claim)
    return error{errc::stale, "Claim " + std::to_string(*when.claim) + " is not the latest; claim " +
                                  std::to_string(by->claim) + " is."};
  if (when.access && !permits(*when.access, *by)) return forbidden();  // another principal has the claim
  if (when.claimed && by->claim == 0) return error{errc::stale, "Nobody has claimed this message yet."};
  if (when.unanswered_above && by->unanswered <= *when.unanswered_above)
    return error{errc::stale, "This claim has had its outcome already."};
  if (when.expired && !*when.expired && by->expires_at && *by->expires_at <= became.at)
    return error{errc::terminal, "The message has expired."};
  if (when.unclaimed && is_claimed(*by, became.at))
    return error{errc::held, "Somebody works on this revision" + by_whom(*by) + "; the lease ends in " +
                                 in_words(by->due - became.at) + "."};
  if (when.held == true && refused.then.held == false && !by->held)
    return error{errc::held,
                 "The message waits in " + escaped(by->queue) +
                     " already: neither a date nor a back-off holds it back. Explain says what it waits for."};
  if (const auto* paused = when.not_in ? find_in(*when.not_in, by->queue) : nullptr)
    return error{errc::held, "The queue " + paused_in_words(by->queue, *paused, became.at) + "."};
  if (when.open && by->held && by->due > became.at)
    return error{errc::held, "Somebody works on this revision, or it is not due yet."};
  if (when.claims_left && by->unanswered >= by->max_claims)
    return error{errc::held,
                 "No answer to " + std::to_string(by->unanswered) + " claims (max_claims): the message is given up."};
  // Last: what is wrong with the row, and not with this batch, is told first.
  if (when.unanswered_below && by->unanswered >= *when.unanswered_below)
    return error{errc::needs_alone, "Left unanswered " + std::to_string(by->unanswered) +
                                        " times: claim it with \"alone\" and nothing else in hand."};
  if (when.text_bytes_max) return error{errc::needs_room, "The message is large: claim it in a request of its own."};
  return error{errc::held, "The message has changed meanwhile."};
}

result<row> settled(const outcome& became) {
  if (became.applied) return became.now;
  if (auto refused = refusal(*became.refused, became)) return *std::move(refused);
  return became.now;
}

}  // namespace amc::broker::life_cycle
