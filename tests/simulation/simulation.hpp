#pragma once

#include <optional>
#include <string>

#include "tests/simulation/scenario.hpp"
#include "tests/simulation/seams.hpp"

namespace amc::simulation {

/// What became of one run.
struct verdict {
  std::uint64_t hash = 0;              ///< of everything that happened
  std::optional<std::string> failure;  ///< what did not hold
  milliseconds took{};                 ///< virtual time
};

/// Runs a scenario to its end and checks it.
verdict simulate(const scenario& plan, const seams& planted, bool prints);

}  // namespace amc::simulation
