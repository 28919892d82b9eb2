#pragma once

#include <cstddef>
#include <string>

#include "core/config.hpp"

namespace amc::app {

/// What `amc bench` was asked for.
struct bench_options {
  std::size_t conversations = 10'000;
  std::size_t concurrency = 64;  ///< conversations under way at once, at most
  double rate = 0;          ///< a second, begun on a clock whatever becomes of them (open loop); 0: as fast as they end
  std::size_t warm_up = 0;  ///< conversations before, not counted
  bool json = false;        ///< one JSON object on stdout instead of a summary for people
};

/// Whole conversations with the configured broker, each answer checked. In an open loop the time of a conversation
/// counts from its intended start, so that a stall is not hidden. Exit code 0, or 1 when an answer was wrong or
/// missing.
int bench(const config& settings, const bench_options& options);

}  // namespace amc::app
