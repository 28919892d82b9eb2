#pragma once

#include <string>
#include <utility>

#include "core/environment.hpp"
#include "core/log.hpp"

namespace amc {

/// Warnings about what strangers can do as often as they like: one a second, which counts those before it that were
/// not written. For one thread.
class one_line_a_second {
 public:
  one_line_a_second(const environment& env, std::string component)
      : timers_(env.timers), component_(std::move(component)) {}

  void warn(const std::string& text) {
    constexpr milliseconds interval{1'000};
    const auto now = timers_->now();
    if (last_ != timers::time_point{} && now - last_ < interval) {
      ++untold_;
      return;
    }
    const auto before = untold_ > 0 ? "; " + std::to_string(untold_) + " more were refused before" : std::string();
    log::warning(component_, text + before);
    last_ = now;
    untold_ = 0;
  }

 private:
  std::shared_ptr<amc::timers> timers_;
  std::string component_;
  timers::time_point last_{};
  std::size_t untold_ = 0;
};

}  // namespace amc
