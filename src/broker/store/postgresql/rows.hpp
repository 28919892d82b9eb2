#pragma once

#include "amc/store.hpp"
#include "broker/store/postgresql/connection.hpp"

namespace amc::broker::postgresql {

/// A row as the statements return it, from the third column on.
row row_at(const PGresult* r, int at);

}  // namespace amc::broker::postgresql
