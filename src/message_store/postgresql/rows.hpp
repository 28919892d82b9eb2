#pragma once

#include "message_store/columns.hpp"
#include "message_store/postgresql/connection.hpp"

namespace amc::message_store::postgresql {

/// A row of a result that has the `names` of these columns, in this order, from the column `first` on.
std::shared_ptr<message> row_at(const PGresult* r, int at, int first, std::span<const column> selected);

}  // namespace amc::message_store::postgresql
