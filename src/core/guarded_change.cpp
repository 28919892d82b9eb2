#include "amc/store.hpp"

namespace amc {

bool admits(const guard& when, const message& current, timestamp now) {
  return admits_but_for_text(when, current, now) &&                           //
         (!when.text_other_than || current.text != *when.text_other_than) &&  //
         (!when.text_bytes_max || current.text.size() <= *when.text_bytes_max);
}

bool admits_but_for_text(const guard& when, const message& current, timestamp now) {
  const bool expired = current.expires_at && *current.expires_at <= now;
  return (!when.status || current.status == *when.status) &&                         //
         (!when.revision || current.revision == *when.revision) &&                   //
         (!when.revision_below || current.revision < *when.revision_below) &&        //
         (!when.claim || current.claim == *when.claim) &&                            //
         (!when.claimed || current.claim != 0) &&                                    //
         (!when.held || current.held == *when.held) &&                               //
         (!when.due || current.due == *when.due) &&                                  //
         (!when.open || !current.held || current.due <= now) &&                      //
         (!when.claims_left || current.unanswered < current.max_claims) &&           //
         (!when.unanswered_below || current.unanswered < *when.unanswered_below) &&  //
         (!when.unanswered_above || current.unanswered > *when.unanswered_above) &&  //
         (!when.expired || expired == *when.expired);
}

namespace {

int counted(effect::count how, int value) {
  switch (how) {
    case effect::count::keep:
      return value;
    case effect::count::zero:
      return 0;
    case effect::count::one:
      return 1;
    case effect::count::one_more:
      return value + 1;
    case effect::count::one_less:
      return std::max(0, value - 1);
  }
  return value;
}

timestamp next_due(const effect& then, const message& current, timestamp now) {
  if (then.due_after_lease) return now + std::min(current.lease, then.lease_max.value_or(current.lease));
  if (then.due_at) return *then.due_at;
  if (then.due_in) return now + *then.due_in;
  return current.due;
}

}  // namespace

message changed(const change& what, const message* current, timestamp now) {
  message after = current ? *current : message{.id = what.id, .revision = 0, .created_at = now};
  const auto& then = what.then;
  if (then.text) {
    after.text = *then.text;
    ++after.revision;
  }
  if (then.status) after.status = *then.status;
  if (then.queue) after.queue = *then.queue;
  if (then.held) after.held = *then.held;
  if (then.lease) after.lease = *then.lease;
  if (then.max_claims) after.max_claims = *then.max_claims;
  after.due = next_due(then, after, now);
  if (then.new_claim) after.claim = *then.new_claim;
  after.unanswered = counted(then.unanswered, after.unanswered);
  after.failures = counted(then.failures, after.failures);
  if (then.error) {
    if (after.attempts.size() >= attempts_max) after.attempts.erase(after.attempts.begin());
    after.attempts.push_back({after.revision, after.claim, now, *then.error});
  }
  after.updated_at = now;
  if (what.insert) {
    after.expires_at = then.expires_at;
    after.traceparent = then.traceparent;
    if (then.once) {
      after.idempotency_key = then.once->key;
      after.fingerprint = then.once->fingerprint;
    }
  }
  return after;
}

}  // namespace amc
