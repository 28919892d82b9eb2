#pragma once

#include "message_store/sqlite/sqlite.hpp"
#include "message_store/unreadable_rows.hpp"

namespace amc::message_store::sqlite {

/// Reads the file of a store that is open in this process and lives longer. `options.now` must be there.
std::unique_ptr<store_reader> make_reader(sqlite_options options, std::shared_ptr<unreadable_rows> faults);

}  // namespace amc::message_store::sqlite
