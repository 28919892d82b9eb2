#include "tests/simulation/planted.hpp"

#include <stdexcept>

namespace amc::simulation {
namespace {

std::vector<planted_bug> all_bugs() {
  std::vector<planted_bug> all;
  for (const auto& theme : {bugs_of_changes(), bugs_of_operating(), bugs_of_surroundings()})
    all.insert(all.end(), theme.begin(), theme.end());
  return all;
}

}  // namespace

const std::vector<planted_bug>& planted_bugs() {
  static const auto all = all_bugs();
  return all;
}

const planted_bug& planted_bug_named(std::string_view name) {
  for (const auto& bug : planted_bugs())
    if (bug.name == name) return bug;
  throw std::invalid_argument("no bug is named " + std::string(name));
}

}  // namespace amc::simulation
