#pragma once

#include <functional>
#include <string>

#include "core/config.hpp"
#include "core/stop_request.hpp"

namespace amc {

/// The key `app.startup_timeout_ms`.
config_provider startup_provider();

/// For a start: calls `attempt` until it does not throw `unavailable`. Says what it waits for. Throws startup_error
/// when that has taken too long (`app.startup_timeout_ms`) or waiting does not help, and stop_request::requested when
/// the process is to stop meanwhile.
void patiently(stop_request& stop, const config& settings, const std::string& what,
               const std::function<void()>& attempt);

}  // namespace amc
