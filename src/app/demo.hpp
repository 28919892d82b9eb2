#pragma once

#include <string>
#include <vector>

#include "core/config.hpp"

namespace amc::app {

/// Broker, both services and one request in this process, on a store in a temporary folder; prints what happened, with
/// times, from the log lines of the parts themselves. Returns 0 when the answer came.
int demo(config_sources sources, const std::vector<config_provider>& known);

/// What `amc version` prints: the version, and what is built in.
std::string version_text(const std::vector<config_provider>& known);

/// docs/configuration.md.
std::string configuration_reference(const std::vector<config_provider>& known);

}  // namespace amc::app
