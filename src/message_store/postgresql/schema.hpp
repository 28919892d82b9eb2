#pragma once

#include "message_store/migration.hpp"
#include "message_store/postgresql/connection.hpp"

namespace amc::message_store::postgresql {

/// Brings the tables up to date, under an advisory lock that lets one of many starting processes do it; or only tells
/// what that would take. A database that is up to date needs no right to make tables. Throws startup_error for a newer
/// schema, server_error, unavailable.
migration migrate(connection& link, const std::string& url, bool only_plan);

}  // namespace amc::message_store::postgresql
