#pragma once

#include "message_store/migration.hpp"
#include "message_store/sqlite/database.hpp"

namespace amc::message_store::sqlite {

/// What bringing the tables up to date would take; makes and writes no file. Throws startup_error for a newer schema,
/// and where the file cannot be used or is in use.
migration plan(const std::string& path);

/// Brings the tables up to date. Throws startup_error as `plan` does.
migration migrate(database& file);

/// Writes, and changes nothing.
void write_version_again(database& file);

}  // namespace amc::message_store::sqlite
