#pragma once

#include "message_store/sqlite/sqlite.hpp"

namespace amc::message_store::sqlite {

/// Reads the file of a store that is open in this process and lives longer. `options.now` must be there.
std::unique_ptr<store_reader> make_reader(sqlite_options options);

}  // namespace amc::message_store::sqlite
