#pragma once

#include <functional>
#include <memory>
#include <string>

#include "message_store/migration.hpp"
#include "message_store/store.hpp"

namespace amc::message_store {

struct sqlite_options {
  std::string path;                ///< the file; its folder is made
  std::function<timestamp()> now;  ///< the store's clock; empty: the wall clock
  std::size_t past_max_bytes = 0;  ///< of what a message's earlier revisions said, as far as it is kept
};

/// A store in one SQLite file (write-ahead log, synchronous=FULL: a durable change is on the disk when it is told).
/// One process owns the file, by whatever name. Throws startup_error when it cannot be opened: owned already, under
/// several names (hard links), unwritable, not a database, or of a newer schema. A full disk is `unavailable` (full)
/// and passes; a failed sync, a damaged file, and one that is moved, deleted, replaced or written by others while it is
/// in use, are `unavailable` (broken), for ever.
opened_store open_sqlite(sqlite_options options);

/// Brings the tables up to date without opening the store, or only tells what that would take, and then writes nothing.
migration migrate_sqlite(sqlite_options options, bool only_plan);

}  // namespace amc::message_store
