#pragma once

#include "message_store/postgresql/postgresql.hpp"
#include "message_store/store.hpp"
#include "message_store/unreadable_rows.hpp"

namespace amc::message_store::postgresql {

/// Reads through a connection of its own, which is made when something is asked.
std::unique_ptr<store_reader> make_reader(const postgresql_options& options, std::shared_ptr<unreadable_rows> faults);

}  // namespace amc::message_store::postgresql
