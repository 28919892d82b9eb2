#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "queue_system/platform.hpp"

namespace amc::queue_system {

/// An engine that a running system moves away from.
struct left_engine {
  std::string name{};
  std::shared_ptr<platform> engine{};
};

/// For a system that moves to another engine: everything is published to the new one, and heard from it and from the
/// others. What is left in these is received while nothing else is, at least every 100 ms; of them together and of the
/// new one each subscriber may hold as many as it may hold of one. One of the others that is away costs nothing but
/// what is in it, which the sweeper rings again: it is tried again at longer and longer intervals, up to a minute, and
/// told in the log. `now` is a clock for those intervals.
std::shared_ptr<platform> make_moving(
    std::shared_ptr<platform> to, std::vector<left_engine> from,
    std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now);

}  // namespace amc::queue_system
