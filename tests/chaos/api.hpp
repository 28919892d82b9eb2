#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>

#include "tests/chaos/journal.hpp"
#include "tests/support/raw_http.hpp"

namespace amc::chaos {

/// What must never be was seen.
struct violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct queue_numbers {
  std::int64_t pending = 0;    ///< in all queues
  std::int64_t dead = 0;       ///< in all queues
  std::int64_t depth_max = 0;  ///< of the deepest queue in the engine
};

/// Both throw std::exception when the broker is away.
queue_numbers numbers_at(std::uint16_t port);
std::vector<row> every_message_at(std::uint16_t port);

/// Waits until nothing is pending; a violation when there is no progress for so long.
void wait_until_finished(std::uint16_t port, std::chrono::seconds patience);

}  // namespace amc::chaos
