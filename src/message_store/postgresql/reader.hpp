#pragma once

#include "amc/store.hpp"
#include "message_store/postgresql/postgresql.hpp"

namespace amc::message_store::postgresql {

/// Reads through a connection of its own, which is made when something is asked.
std::unique_ptr<store_reader> make_reader(const postgresql_options& options);

}  // namespace amc::message_store::postgresql
