#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "core/config.hpp"

namespace amc::app {

/// What `amc queues` is asked for.
struct queues_question {
  std::string verb{};  ///< pause, resume or purge; empty: to print what waits in each queue
  std::string queue{};
  bool yes = false;      ///< a purge is meant
  bool as_json = false;  ///< one JSON object a line, and no table
};

/// Exit code 0, or 1 when the broker refuses.
int queues_command(const config& settings, const queues_question& asked);

/// What GET /queues answers, as a table.
std::string queues_table(const boost::json::value& answer);

}  // namespace amc::app
