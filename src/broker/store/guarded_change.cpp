#include "amc/store.hpp"

namespace amc {

bool admits(const guard& when, const message& current, timestamp now) {
  return (!when.status || current.status == *when.status) &&        //
         (!when.revision || current.revision == *when.revision) &&  //
         (!when.claim || current.claim == *when.claim) &&           //
         (!when.held || current.held == *when.held) &&              //
         (!when.due || current.due == *when.due) &&                 //
         (!when.open || !current.held || current.due <= now) &&     //
         (!when.unanswered_below || current.unanswered < *when.unanswered_below) &&
         (!when.text_other_than || current.text != *when.text_other_than);
}

namespace {

int counted(effect::count how, int value) {
  switch (how) {
    case effect::count::keep:
      return value;
    case effect::count::zero:
      return 0;
    case effect::count::one_more:
      return value + 1;
    case effect::count::one_less:
      return std::max(0, value - 1);
  }
  return value;
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
  if (then.due_in) after.due = now + *then.due_in;
  if (then.new_claim) ++after.claim;
  after.unanswered = counted(then.unanswered, after.unanswered);
  after.failures = counted(then.failures, after.failures);
  after.updated_at = now;
  return after;
}

}  // namespace amc
