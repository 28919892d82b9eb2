#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "core/environment.hpp"

namespace amc::testing {

/// The timers and the wall clock of an environment, which can be moved on. `now` and `wall_clock` from any thread, the
/// rest on the thread of the environment.
class moving_clock : public timers {
 public:
  explicit moving_clock(const environment& real) : real_(real.timers), wall_clock_(real.wall_clock) {}

  time_point now() const override { return real_->now() + ahead_.load(); }
  timer start(milliseconds delay, std::function<void()> fire) override;
  timestamp wall_clock() const { return wall_clock_() + ahead_.load(); }

  /// What is due by then fires before this returns, in its order.
  void advance(milliseconds by);

 private:
  struct waiting;
  static void start_again(const std::shared_ptr<waiting>& one, timers& real, time_point now);

  std::shared_ptr<timers> real_;
  std::function<timestamp()> wall_clock_;
  std::atomic<milliseconds> ahead_{milliseconds(0)};
  std::vector<std::weak_ptr<waiting>> all_;
};

}  // namespace amc::testing
