#include <algorithm>
#include <set>

#include "queue_system/event_codec.hpp"
#include "tests/simulation/planted_seams.hpp"
#include "tests/simulation/wording.hpp"

namespace amc::simulation {
namespace {

using namespace planting;

std::vector<outcome> publish_first(store& to, std::span<const change> batch, platform& engine) {
  std::vector<outgoing> early;
  for (const auto& what : batch)
    if (what.then.text && what.then.queue && what.then.status == status::pending) {
      const event ready{what.id, what.when.revision.value_or(0) + 1, {}};
      early.push_back({*what.then.queue, queue_system::encode(ready, what.id, {})});
    }
  if (!early.empty()) engine.make_publisher()->publish(early);
  return to.apply(batch);
}

/// Does something about a batch that has failed for one of these reasons.
spoil_apply when_it_fails(std::vector<unavailable::reason> reasons,
                          std::function<std::vector<outcome>(store&, std::span<const change>)> then) {
  return [=](store& to, std::span<const change> batch, platform&) {
    try {
      return to.apply(batch);
    } catch (const unavailable& failed) {
      if (std::find(reasons.begin(), reasons.end(), failed.why()) == reasons.end()) throw;
    }
    return then(to, batch);
  };
}

/// A request that reuses another's key is told what became of that one.
std::vector<outcome> any_request_of_a_key(store& to, std::span<const change> batch, platform&) {
  auto outcomes = to.apply(batch);
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (const auto& once = batch[i].then.once; once && !outcomes[i].applied && outcomes[i].now) {
      auto same = *outcomes[i].now;
      same.fingerprint = once->fingerprint;
      outcomes[i].now = std::make_shared<const message>(std::move(same));
    }
  return outcomes;
}

/// The number after that of the row's latest claim.
std::vector<outcome> counted_claims(store& to, std::span<const change> batch, platform&) {
  std::vector<change> counted(batch.begin(), batch.end());
  std::map<uuid, std::int64_t> given;
  for (auto& what : counted) {
    if (!is_claim(what)) continue;
    const auto found = to.find(std::span(&what.id, 1), false).front().now;
    if (found) what.then.new_claim = given.emplace(what.id, found->claim).first->second += 1;
  }
  return to.apply(counted);
}

std::vector<outcome> told_crosswise(store& to, std::span<const change> batch, platform&) {
  auto outcomes = to.apply(batch);
  for (std::size_t i = 1; i < batch.size(); ++i)
    if (batch[i].then.text && batch[i - 1].then.text) std::swap(outcomes[i], outcomes[i - 1]);
  return outcomes;
}

/// Whatever is stored un-rung is rung all the same.
std::vector<outcome> never_behind_a_backlog(store& to, std::span<const change> batch, platform& engine) {
  std::vector<change> rung(batch.begin(), batch.end());
  std::vector<bool> was_to_wait;
  for (auto& what : rung) {
    const bool waits = what.then.text && what.then.status == status::pending && what.then.held == false &&
                       what.then.due_in == milliseconds(0);
    was_to_wait.push_back(waits);
    constexpr milliseconds later{2'000};
    if (waits) what.then.due_in = later;
  }
  auto outcomes = to.apply(rung);
  std::vector<outgoing> out;
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (was_to_wait[i] && outcomes[i].applied) {
      const event ready{outcomes[i].now->id, outcomes[i].now->revision, {}};
      out.push_back({outcomes[i].now->queue, queue_system::encode(ready, ready.id, {})});
    }
  try {
    if (!out.empty()) engine.make_publisher()->publish(out);
  } catch (const unavailable&) {
    // It comes round again.
  }
  return outcomes;
}

bool is_of_an_unfit_row(const change& what) {
  return what.then.text && is_unfit(*what.then.text);
}

/// One row that the store cannot take fails all that came with it.
std::vector<outcome> fault_taken_for_an_absence(store& to, std::span<const change> batch, platform&) {
  if (std::any_of(batch.begin(), batch.end(), is_of_an_unfit_row))
    throw unavailable(unavailable::reason::away, "the store refused a row");
  return to.apply(batch);
}

/// After a row that could not be taken, the next look finds nothing.
class never_reset : public store_through {
 public:
  using store_through::store_through;
  std::vector<outcome> apply(std::span<const change> batch) override {
    spoiled_ = spoiled_ || std::any_of(batch.begin(), batch.end(), is_of_an_unfit_row);
    return to().apply(batch);
  }
  std::vector<found_row> find(std::span<const uuid> ids, bool with_text) override {
    if (std::exchange(spoiled_, false)) return std::vector<found_row>(ids.size());
    return to().find(ids, with_text);
  }

 private:
  bool spoiled_ = false;
};

/// Nobody who receives is shown anything.
class nothing_waits : public store_through {
 public:
  using store_through::store_through;
  std::vector<due_row> waiting(const waiting_request&) override { return {}; }
};

/// Who receives is shown nothing four times of five.
class shows_seldom : public store_through {
 public:
  using store_through::store_through;
  std::vector<due_row> waiting(const waiting_request& which) override {
    constexpr int one_in = 5;
    auto rows = to().waiting(which);
    if (++looks_ % one_in != 0) rows.clear();
    return rows;
  }

 private:
  int looks_ = 0;
};

/// Who receives at one of the brokers is shown nothing.
seams looked_by_others_only() {
  seams planted;
  planted.wrap_store = [](std::unique_ptr<store> to, process& by, platform&) -> std::unique_ptr<store> {
    if (by.name() != "broker1") return to;
    return std::make_unique<nothing_waits>(std::move(to));
  };
  return planted;
}

class pages_of_any_size : public reader_through {
 public:
  using reader_through::reader_through;
  message_page list(const list_filter& filter) override {
    auto more = filter;
    more.text_bytes_max = static_cast<std::size_t>(-1);
    return reader_through::list(more);
  }
};

seams hides_expiry_of_hand_offs() {
  return apply([](store& to, auto batch, platform&) {
    auto outcomes = to.apply(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!is_hand_off(batch[i]) || !outcomes[i].now) continue;
      auto shown = std::make_shared<message>(*outcomes[i].now);
      shown->expires_at.reset();
      outcomes[i].now = std::move(shown);
    }
    return outcomes;
  });
}

seams never_expires() {
  return due([](std::vector<due_row>& rows) { std::erase_if(rows, [](const due_row& r) { return r.expired; }); });
}

seams expired_too_soon() {
  return due(
      [](std::vector<due_row>& rows) {
        for (auto& r : rows) r.expired = r.expired || r.unanswered > 0;
      },
      [](change& what) {
        if (is_expiry(what)) what.when.expired.reset();
      });
}

seams never_used_up() {
  return due(
      [](std::vector<due_row>& rows) {
        for (auto& r : rows) r.used_up = false;
      },
      [](change& what) { what.when.claims_left = false; });
}

/// As a statement would that reads it from a snapshot, and not from the row that it has locked.
seams past_of_another_revision() {
  seams planted;
  planted.note_past = [last = std::make_shared<std::map<uuid, std::string>>()](message& noted) {
    const auto said = noted.text;
    if (const auto known = last->find(noted.id); known != last->end()) noted.text = known->second;
    (*last)[noted.id] = said;
  };
  return planted;
}

}  // namespace

std::vector<planted_bug> bugs_of_changes() {
  using reason = unavailable::reason;
  return {
      {"told-before-durable", "the store tells what it has not synced",
       [] { return changes([](change& what) { what.durable = false; }); }},
      {"answers-not-durable", "only new messages are synced",
       [] { return changes([](change& what) { what.durable = what.insert; }); }},
      {"publish-before-commit", "the queue is rung before the row is committed", [] { return apply(publish_first); }},
      {"unknown-told-as-done", "a commit whose outcome is unknown counts as done",
       [] { return apply(when_it_fails({reason::outcome_unknown}, pretended)); }},
      {"unknown-retried-blindly", "a commit whose outcome is unknown is made again, and the second outcome told",
       [] {
         return apply(when_it_fails({reason::outcome_unknown},
                                    [](store& to, std::span<const change> batch) { return to.apply(batch); }));
       }},
      {"busy-told-as-done", "a commit that failed (busy, full) counts as done",
       [] {
         return apply(when_it_fails({reason::away, reason::full}, pretended));
       }},
      {"told-crosswise", "two answers of one batch go to each other's client", [] { return apply(told_crosswise); }},
      {"stale-answer-accepted", "an answer is not held to its revision",
       [] { return changes_that(is_answer, [](change& what) { what.when.revision.reset(); }); }},
      {"answer-after-the-end", "an answer is accepted in any status",
       [] { return changes_that(is_answer, [](change& what) { what.when.status.reset(); }); }},
      {"claim-not-guarded", "a revision that somebody works on is claimed",
       [] { return changes_that(is_claim, [](change& what) { what.when.open = false; }); }},
      {"claims-counted", "a claim's number is the next one of its row, and is given again after a power loss",
       [] { return apply(counted_claims); }},
      {"claim-of-any-revision", "a claim is not held to its revision",
       [] { return changes_that(is_claim, [](change& what) { what.when.revision.reset(); }); }},
      {"claim-after-the-end", "a finished message is claimed",
       [] { return changes_that(is_claim, [](change& what) { what.when.status.reset(); }); }},
      {"ring-not-guarded", "the sweeper rings rows that have changed since it read them",
       [] { return changes_that(is_ringing, [](change& what) { what.when = {.status = status::pending}; }); }},
      {"final-failure-tried-again", "what has failed for good is due again after a pause",
       [] {
         return changes([](change& what) {
           if (is_failure(what) && is_for_good(what.then.error.value_or(""))) what.then.status.reset();
         });
       }},
      {"values-become-texts", "a JSON value is kept as the text of its JSON",
       [] { return changes([](change& what) { what.then.form = content_form::text; }); }},
      {"release-not-guarded", "a claim that is not the latest is given back",
       [] { return changes_that(is_release, [](change& what) { what.when = {.status = status::pending}; }); }},
      {"release-not-due", "what is given back is due when its lease would have ended",
       [] { return changes_that(is_release, [](change& what) { what.then.due_in.reset(); }); }},
      {"reopen-not-guarded", "a worker that has lost its claim opens whatever claim there is",
       [] { return changes_that(is_reopening, [](change& what) { what.when = {.status = status::pending}; }); }},
      {"reopen-not-due", "what a worker has lost is due when its lease would have ended",
       [] { return changes_that(is_reopening, [](change& what) { what.then.due_in.reset(); }); }},
      {"release-counted-twice", "a release that is told twice counts twice",
       [] {
         return changes_that(is_release, [](change& what) {
           what.when.held.reset();
           what.when.unanswered_above.reset();
         });
       }},
      {"undelivered-is-kept", "what could not be delivered, since the client has hung up, is not released",
       [] { return apply([](store& to, auto batch, platform&) { return only_told(to, batch, is_release); }); }},
      {"handed-to-two", "what is handed off holds nobody off",
       [] { return changes_that(is_hand_off, [](change& what) { what.then.held = false; }); }},
      {"hand-off-not-durable", "a revision that is handed off is not synced",
       [] { return changes_that(is_hand_off, [](change& what) { what.durable = false; }); }},
      {"hand-off-not-counted", "a claim by hand-off does not count",
       [] { return changes_that(is_hand_off, [](change& what) { what.then.unanswered = effect::count::zero; }); }},
      {"handed-over-a-backlog", "looks find nothing though something waits, so that what is new is handed off over it",
       [] { return stores<shows_seldom>(); }},
      {"looked-by-others-only", "who receives at one of the brokers is shown nothing", looked_by_others_only},
      {"nothing-waits", "who receives is shown nothing", [] { return stores<nothing_waits>(); }},
      {"lease-not-extended", "a lease is told to be extended, and is not",
       [] { return apply([](store& to, auto batch, platform&) { return only_told(to, batch, is_extension); }); }},
      {"lease-not-held", "a claim holds nobody off",
       [] { return changes_that(is_claim, [](change& what) { what.then.held = false; }); }},
      {"lonely-rule-dropped", "what has killed services is claimed in company",
       [] { return changes_that(is_claim, [](change& what) { what.when.unanswered_below.reset(); }); }},
      {"claims-never-used-up", "what kills every service is claimed for ever", never_used_up},
      {"buried-too-soon", "a message is dead after one claim without an answer",
       [] {
         return due([](std::vector<due_row>& rows) {
           for (auto& r : rows) r.used_up = r.unanswered > 0;
         });
       }},
      {"failures-never-end", "a message that fails always is never dead",
       [] { return changes_that(is_failure, [](change& what) { what.then.status.reset(); }); }},
      {"back-off-not-held", "a message that has failed is claimed at once",
       [] { return changes_that(is_failure, [](change& what) { what.then.held = false; }); }},
      {"back-off-ignored", "a message that has failed is due after a millisecond",
       [] { return changes_that(is_failure, [](change& what) { what.then.due_in = milliseconds(1); }); }},
      {"failure-counted-twice", "a failure that is told twice counts twice",
       [] { return changes_that(is_failure, [](change& what) { what.when.unanswered_above.reset(); }); }},
      {"held-after-its-failure", "a lease is extended when its claim has had its outcome",
       [] { return changes_that(is_extension, [](change& what) { what.when.unanswered_above.reset(); }); }},
      {"reason-forgotten", "why a message has failed is not kept",
       [] { return changes_that(is_failure, [](change& what) { what.then.error.reset(); }); }},
      {"retry-of-expired", "what has expired is retried",
       [] { return changes_that(is_retry, [](change& what) { what.when.expired.reset(); }); }},
      {"retry-goes-on-counting", "a retried message has the failures that it had",
       [] { return changes_that(is_retry, [](change& what) { what.then.failures = effect::count::keep; }); }},
      {"expired-is-claimed", "what has expired is claimed",
       [] { return changes_that(is_claim, [](change& what) { what.when.expired.reset(); }); }},
      {"expired-is-handed-off", "what has expired is handed off as if it had not", hides_expiry_of_hand_offs},
      {"never-expires", "the sweeper leaves out what has expired", never_expires},
      {"delivered-too-soon", "`deliver_at` holds nobody off",
       [] {
         return changes([](change& what) {
           if (!what.then.due_at) return;
           what.then.due_at.reset();
           what.then.held = false;
           what.then.due_in = milliseconds(0);
         });
       }},
      {"expired-too-soon", "the sweeper's guess that a message has expired is not guarded", expired_too_soon},
      {"key-not-looked-at", "an idempotency key is kept and not looked at",
       [] { return changes([](change& what) { what.then.once.reset(); }); }},
      {"key-without-fingerprint", "a key that was used for another request answers with that one",
       [] { return apply(any_request_of_a_key); }},
      {"rings-behind-a-backlog", "new messages are rung while older ones wait for room",
       [] { return apply(never_behind_a_backlog); }},
      {"claims-bounded-by-count", "a batch of claims is granted whatever it weighs",
       [] { return changes_that(is_claim, [](change& what) { what.when.text_bytes_max.reset(); }); }},
      {"pages-bounded-by-count", "a page of a list holds what its texts weigh",
       [] { return readers<pages_of_any_size>(); }},
      {"fault-taken-for-absence", "a row that the store cannot take fails all that came with it",
       [] { return apply(fault_taken_for_an_absence); }},
      {"statement-not-reset", "after a row that could not be taken, the next look finds nothing",
       [] { return stores<never_reset>(); }},
      {"past-of-another-revision", "what is kept of a revision is what the one before it said",
       past_of_another_revision},
  };
}

}  // namespace amc::simulation
