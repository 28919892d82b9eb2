#pragma once

#include "amc/store.hpp"
#include "message_store/postgresql/connection.hpp"
#include "message_store/unreadable_rows.hpp"

namespace amc::message_store::postgresql {

/// A row as the statements return it, from the third column on. What cannot be read is noted, and no row.
found_row row_at(const PGresult* r, int at, unreadable_rows& faults);
uuid id_at(const PGresult* r, int at);

}  // namespace amc::message_store::postgresql
