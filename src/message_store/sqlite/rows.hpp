#pragma once

#include <string>

#include "message_store/columns.hpp"
#include "message_store/sqlite/database.hpp"

namespace amc::message_store::sqlite {

/// A row of a statement that selects the `names` of these columns, and nothing before them.
std::shared_ptr<message> row_at(const statement& s, std::span<const column> selected);

/// Inserts the row that `bind_row` binds; changes nothing where there is one with its id.
std::string insert_sql();

/// Writes into the row with its id what such a change writes of the row that `bind_row` binds.
std::string update_sql(column::writer by);

/// The message must live until the statement was stepped through; the bindings are to be cleared then.
void bind_row(statement& s, const message& m, column::writer by);

}  // namespace amc::message_store::sqlite
