#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <random>

#include "core/error.hpp"
#include "core/message.hpp"

namespace amc {

/// How long to pause before trying again: doubles from 100 ms to 5 s, a little earlier or later each time, so that many
/// that wait for one server do not come back in step.
class back_off {
 public:
  explicit back_off(std::uint64_t seed = std::random_device{}())
      : random_(static_cast<std::minstd_rand::result_type>(seed)) {}

  milliseconds next() {
    constexpr milliseconds first{100}, longest{5'000};
    pause_ = std::clamp(2 * pause_, first, longest);
    std::uniform_int_distribution<std::int64_t> spread(pause_.count() * 3 / 4, pause_.count());
    return milliseconds(spread(random_));
  }
  void reset() { pause_ = milliseconds(0); }

 private:
  milliseconds pause_{};
  std::minstd_rand random_;
};

/// A connection that is made when it is needed and dropped when it fails. While back-off lasts, `get` throws the last
/// failure again instead of trying.
template <class Connection>
class reconnecting {
 public:
  /// `make` returns a unique_ptr; it throws `unavailable`.
  template <class Make>
  Connection& get(const Make& make) {
    if (link_) return *link_;
    const auto now = std::chrono::steady_clock::now();
    if (last_failure_ && now < next_try_) throw unavailable(*last_failure_);
    try {
      link_ = make();
      last_failure_.reset();
      pause_.reset();
    } catch (const unavailable& failed) {
      last_failure_ = failed;
      next_try_ = std::chrono::steady_clock::now() + pause_.next();
      throw;
    }
    return *link_;
  }

  Connection* current() const { return link_.get(); }
  void drop() { link_.reset(); }

 private:
  std::unique_ptr<Connection> link_;
  std::optional<unavailable> last_failure_;
  std::chrono::steady_clock::time_point next_try_{};
  back_off pause_;
};

}  // namespace amc
