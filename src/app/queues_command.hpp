#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "core/config.hpp"

namespace amc::app {

/// Prints what waits in each queue, as a table or one JSON object a line. Exit code 0, or 1 when the broker refuses.
int queues_command(const config& settings, bool as_json);

/// What GET /queues answers, as a table.
std::string queues_table(const boost::json::value& answer);

}  // namespace amc::app
