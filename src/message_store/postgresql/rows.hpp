#pragma once

#include "amc/store.hpp"
#include "message_store/postgresql/connection.hpp"

namespace amc::message_store::postgresql {

/// A row as the statements return it, from the third column on.
row row_at(const PGresult* r, int at);

}  // namespace amc::message_store::postgresql
