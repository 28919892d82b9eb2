#pragma once

#include "core/environment.hpp"

namespace amc::tests {

/// A clock that says what the test has set; no timer on it ever fires.
class set_clock : public timers {
 public:
  void set(milliseconds since_begin) { now_ = since_begin; }
  void pass(milliseconds more) { now_ += more; }
  time_point now() const override { return time_point(std::chrono::hours(1)) + now_; }
  timer start(milliseconds, std::function<void()>) override { return std::make_shared<int>(0); }

 private:
  milliseconds now_{};
};

}  // namespace amc::tests
