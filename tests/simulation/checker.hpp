#pragma once

#include <map>
#include <optional>
#include <string>

#include "tests/simulation/journal.hpp"

namespace amc::simulation {

/// Holds what clients were told against what the store has in the end. It knows nothing of how that came about: neither
/// the code under test nor the world's faults. Returns the first thing that does not fit.
std::optional<std::string> check(const journal& told, std::map<uuid, row> rows, bool keys_last);

}  // namespace amc::simulation
