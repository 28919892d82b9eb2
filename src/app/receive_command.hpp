#pragma once

#include <optional>
#include <string>

#include "core/config.hpp"

namespace amc::app {

/// What `amc receive` was asked for.
struct receive_options {
  std::string queue{};
  std::string command{};  ///< for /bin/sh: the text on its stdin, the answer on its stdout
  int concurrency = 1;
  std::optional<int> timeout_s{};       ///< of one run; none: consumer_services.handler_timeout_ms
  std::string to{};                     ///< the queue of the answers; empty: the routes decide
  bool done = false;                    ///< an answer finishes the message
  std::string service = "amc receive";  ///< what it is called
};

/// Receives messages and runs the command for each until it is told to stop; then what is in hand is finished within
/// consumer_services.drain_timeout_ms. A broker that is away is waited for. Returns the exit code.
int receive_command(const config& settings, const receive_options& asked);

}  // namespace amc::app
