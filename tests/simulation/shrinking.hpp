#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/simulation/scenario.hpp"

namespace amc::simulation {

/// What to leave out of a seed's scenario.
struct reduction {
  std::vector<std::string> without{};  ///< names of what goes wrong
  int messages = 0;                    ///< so many; 0: as many as the seed says
};

/// A seed's scenario, without that.
scenario reduced(std::uint64_t seed, const reduction& by);

/// The most that can be left out so that the seed still fails, one thing at a time.
reduction shrink(std::uint64_t seed, const std::function<bool(const scenario&)>& fails);

}  // namespace amc::simulation
