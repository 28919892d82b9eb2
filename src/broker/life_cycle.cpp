#include "broker/life_cycle.hpp"

namespace amc::broker::life_cycle {
namespace {

/// A revision arrives somewhere: the columns that start afresh.
effect arrival(std::string text, const destination& to, bool rings_now, const policy& times) {
  effect then{.text = std::move(text),
              .status = status::pending,
              .queue = "",
              .held = false,
              .due_in = rings_now ? times.ring_again : milliseconds(0),
              .unanswered = effect::count::zero,
              .failures = effect::count::zero};
  if (const auto* queue = std::get_if<to_queue>(&to))
    then.queue = queue->name;
  else
    then.status = status::done;
  return then;
}

}  // namespace

change accept(const uuid& id, std::string text, const destination& to, bool rings_now, const policy& times) {
  return {.id = id, .insert = true, .then = arrival(std::move(text), to, rings_now, times)};
}

change claim(const event& ready, bool alone, const policy& times) {
  change what{.id = ready.id,
              .when = {.status = status::pending, .revision = ready.revision, .open = true},
              .then = {.held = true, .due_in = times.lease, .new_claim = true, .unanswered = effect::count::one_more},
              .durable = false};
  if (!alone) what.when.unanswered_below = claims_in_company;
  return what;
}

change extend(const event& ready, std::int64_t claim, const policy& times) {
  return {.id = ready.id,
          .when = {.status = status::pending, .revision = ready.revision, .claim = claim},
          .then = {.held = true, .due_in = times.lease},
          .durable = false};
}

change answer(const uuid& id, std::optional<int> revision, std::string text, const destination& to, bool rings_now,
              const policy& times) {
  change what{.id = id, .when = {.status = status::pending, .revision = revision}};
  if (!revision) what.when.text_other_than = text;
  what.then = arrival(std::move(text), to, rings_now, times);
  return what;
}

change release(const event& ready, std::int64_t claim) {
  // `held` keeps a release that is sent twice from counting twice.
  return {.id = ready.id,
          .when = {.status = status::pending, .revision = ready.revision, .claim = claim, .held = true},
          .then = {.held = false, .due_in = milliseconds(0), .unanswered = effect::count::one_less},
          .durable = false};
}

change ring(const due_row& read, const policy& times) {
  return {.id = read.id,
          .when = {.status = status::pending, .revision = read.revision, .held = read.held, .due = read.due},
          .then = {.held = false, .due_in = times.ring_again},
          .durable = false};
}

std::optional<error> refusal(const change& refused, const outcome& became) {
  const auto& when = refused.when;
  const auto& by = became.now;
  if (!by) return error{errc::not_found, "Message \"" + to_string(refused.id) + "\" not found."};
  if (refused.insert) return error{errc::stale, "Message \"" + to_string(refused.id) + "\" exists already."};
  if (when.text_other_than && by->text == *when.text_other_than) return {};
  if (when.status && by->status != *when.status)
    return error{errc::terminal, std::string("The message is ") + to_string(by->status) + "."};
  if (when.revision && by->revision != *when.revision)
    return error{errc::stale, "The message is at revision " + std::to_string(by->revision) + ", not " +
                                  std::to_string(*when.revision) + "."};
  if (when.claim && by->claim != *when.claim)
    return error{errc::stale, "Claim " + std::to_string(*when.claim) + " is not the latest; claim " +
                                  std::to_string(by->claim) + " is."};
  if (when.open && by->held && by->due > became.at)
    return error{errc::held, "Somebody works on this revision, or it is not due yet."};
  if (when.unanswered_below && by->unanswered >= *when.unanswered_below)
    return error{errc::needs_alone, "Left unanswered " + std::to_string(by->unanswered) +
                                        " times: claim it with \"alone\" and nothing else in hand."};
  return error{errc::held, "The message has changed meanwhile."};
}

}  // namespace amc::broker::life_cycle
