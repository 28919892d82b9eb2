#include "broker/maintenance/queue_counting.hpp"

#include <algorithm>

namespace amc::broker {

task<void> queue_counting::stop() {
  stopping_ = true;
  clock_.poke();
  co_await tasks_.drain();
}

task<void> queue_counting::loop() {
  constexpr int rest = 20;  // times as long as counting took
  while (!stopping_) {
    const auto begun = timers_->now();
    try {
      co_await messages_->count_queues();
    } catch (const unavailable&) {
      // There is a gap in the charts.
    }
    const auto took = std::chrono::ceil<milliseconds>(timers_->now() - begun);
    if (!stopping_) co_await clock_.sleep(std::max(interval_, rest * took));
  }
}

}  // namespace amc::broker
