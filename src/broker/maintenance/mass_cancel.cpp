#include "broker/maintenance/mass_cancel.hpp"

#include "core/log.hpp"
#include "core/text.hpp"

namespace amc::broker {
namespace {

/// Messages that one step looks at, and cancels in one transaction.
constexpr std::size_t page_size = 100;
/// Between two steps, for whoever else needs the store; and until the store is back.
constexpr milliseconds rest{10}, absence{1'000};

}  // namespace

mass_cancel::mass_cancel(const environment& env, std::shared_ptr<broker::messages> messages)
    : env_(env), messages_(std::move(messages)), clock_(env), tasks_(env.executor) {}

result<mass_cancel::state> mass_cancel::start(std::string queue, timestamp began, principal_ptr by, look_up again) {
  if (state_.running && by && !by->may(right::operate, state_.queue))
    return error{errc::held, "Another queue is being purged; try again when that is done."};
  if (state_.running)
    return error{errc::held, "The queue \"" + escaped(state_.queue) + "\" is being purged; GET /queues/" +
                                 escaped(state_.queue) + "/purge tells how far."};
  state_ = {.queue = std::move(queue), .running = true};
  began_ = began;
  by_ = std::move(by);
  again_ = std::move(again);
  tasks_.spawn(run());
  return state_;
}

bool mass_cancel::may_go_on() {
  if (!by_) return true;
  auto now = again_ ? again_(*by_) : by_;
  if (!now) state_.stopped_because = "who has started it is not known any more";
  if (now) by_ = std::move(now);
  return state_.stopped_because.empty();
}

task<void> mass_cancel::stop() {
  stopping_ = true;
  clock_.poke();
  co_await tasks_.drain();
}

task<void> mass_cancel::run() {
  list_filter next{.status = status::pending, .queue = state_.queue, .limit = page_size};
  for (bool more = true; more && !stopping_ && may_go_on();) {
    auto pause = rest;
    try {
      more = co_await cancel_page(next);
    } catch (const unavailable&) {
      pause = absence;  // the same page again: what is cancelled is listed no more
    }
    if (more && !stopping_) co_await clock_.sleep(pause);
  }
  if (stopping_) state_.stopped_because = "the broker stops";
  state_.running = false;
  log::info("broker", "purged " + escaped(state_.queue) + ": cancelled " + std::to_string(state_.cancelled) +
                          " messages, left " + std::to_string(state_.left) + " alone" +
                          (state_.stopped_because.empty() ? "" : "; stopped: " + state_.stopped_because));
}

/// Whether there may be more. What came later may stand anywhere: ids are given by brokers whose clocks differ.
task<bool> mass_cancel::cancel_page(list_filter& which) {
  const auto listed = co_await messages_->list(which, by_, right::operate);
  if (!listed) {
    state_.stopped_because = listed.error().detail;
    co_return false;
  }
  std::vector<uuid> ids;
  for (const auto& m : listed->rows)
    if (m->created_at <= began_) ids.push_back(m->id);
  const auto count = ids.size();
  const auto cancelled = count == 0 ? 0 : co_await messages_->cancel_unclaimed(std::move(ids), state_.queue, by_);
  state_.cancelled += cancelled;
  state_.left += count - cancelled;
  which.after = listed->next.value_or(which.after);
  co_return listed->next.has_value();
}

}  // namespace amc::broker
