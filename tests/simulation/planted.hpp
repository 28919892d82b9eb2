#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "tests/simulation/seams.hpp"

namespace amc::simulation {

/// A bug that the simulation must find. It is put into the seams of a run from outside; the code under test carries no
/// mark of it.
struct planted_bug {
  std::string_view name;
  std::string_view what;         ///< for the table in docs/guarantees.md
  std::function<seams()> plant;  ///< once for each run
};

const std::vector<planted_bug>& planted_bugs();

/// These by theme: what changes make of messages and tell of them; what operators ask for and are told; and sweepers,
/// engines, feeds and clients.
std::vector<planted_bug> bugs_of_changes();
std::vector<planted_bug> bugs_of_operating();
std::vector<planted_bug> bugs_of_surroundings();

/// Throws std::invalid_argument for an unknown name.
const planted_bug& planted_bug_named(std::string_view name);

}  // namespace amc::simulation
