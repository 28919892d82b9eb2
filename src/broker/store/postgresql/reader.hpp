#pragma once

#include "amc/store.hpp"
#include "broker/store/postgresql/postgresql.hpp"

namespace amc::broker::postgresql {

/// Reads through a connection of its own, which is made when something is asked.
std::unique_ptr<store_reader> make_reader(const postgresql_options& options);

}  // namespace amc::broker::postgresql
