#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace amc::message_store {

/// One step of a store's schema: step i (from 1) makes version i out of version i - 1.
struct schema_step {
  const char* what;  ///< for a person
  const char* sql;
};

/// What bringing a store up to date takes, or took.
struct migration {
  int from = 0;  ///< 0: nothing is there yet
  int to = 0;
  std::vector<std::string> steps{};
};

/// Throws startup_error when the version found is newer than the last step.
inline migration plan_migration(int found, std::span<const schema_step> all, const std::string& where,
                                const std::string& key) {
  const int newest = static_cast<int>(all.size());
  if (found > newest)
    throw startup_error(where + ": written by a newer version (schema " + std::to_string(found) + ", this one knows " +
                        std::to_string(newest) + "); run that version, or set " + key);
  migration plan{found, newest};
  for (const auto& step : all.subspan(static_cast<std::size_t>(found))) plan.steps.emplace_back(step.what);
  return plan;
}

}  // namespace amc::message_store
