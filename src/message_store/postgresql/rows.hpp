#pragma once

#include "message_store/columns.hpp"
#include "message_store/postgresql/connection.hpp"
#include "message_store/unreadable_rows.hpp"

namespace amc::message_store::postgresql {

/// A row of a result that has the `names` of these columns, in this order, from the column `first` on.
/// Throws row_fault.
std::shared_ptr<message> row_at(const PGresult* r, int at, int first, std::span<const column> selected);

/// The same, of rows that begin with their id. What cannot be read is noted, and no row.
found_row found_row_at(const PGresult* r, int at, int first, std::span<const column> selected, unreadable_rows& faults);
/// The id that a row begins with.
uuid id_at(const PGresult* r, int at, int first);

}  // namespace amc::message_store::postgresql
