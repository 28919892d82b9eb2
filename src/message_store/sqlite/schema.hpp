#pragma once

#include "message_store/migration.hpp"
#include "message_store/sqlite/database.hpp"

namespace amc::message_store::sqlite {

/// What bringing a file that has no tables up to date would take.
migration plan_for_new_file(const std::string& path);

/// Brings the tables up to date, or only tells what that would take. Throws startup_error for a newer schema, and where
/// the file cannot be used.
migration migrate(database& file, bool only_plan);

/// Writes, and changes nothing.
void write_version_again(database& file);

}  // namespace amc::message_store::sqlite
