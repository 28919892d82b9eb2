#pragma once

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>

namespace amc::tests {

/// No other test has made it, on servers that all of a run share: the number of a process comes again when many have
/// ended.
inline std::string unique_name(char between) {
  static const auto begun = std::chrono::system_clock::now().time_since_epoch() / std::chrono::microseconds(1);
  static std::atomic<int> count = 0;
  return std::to_string(begun) + between + std::to_string(getpid()) + between + std::to_string(++count);
}

}  // namespace amc::tests
