#pragma once

#include "app/processes.hpp"
#include "broker/router.hpp"

namespace amc::tests {

/// The configuration of a process that is given nothing but `sets`.
inline config configured(std::vector<std::string> sets = {}) {
  // Reading the defaults takes longer than most tests.
  static const auto defaults = load_config(app::providers(), {.folder = "/nowhere"});
  if (sets.empty()) return defaults;
  return load_config(app::providers(), {.folder = "/nowhere", .sets = std::move(sets)});
}

/// How messages of a queue are treated that nobody has configured.
inline broker::life_cycle::policy default_rules() {
  static const auto rules = broker::router(configured()).of("").rules;
  return rules;
}

}  // namespace amc::tests
