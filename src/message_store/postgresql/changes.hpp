#pragma once

#include <string>

#include "amc/store.hpp"
#include "message_store/postgresql/connection.hpp"

/// How the processes that share a database tell one another what they have changed: NOTIFY, with the ids of a batch.
namespace amc::message_store::postgresql {

/// set_config lasts for this transaction only.
constexpr const char* notify_sql = "SELECT set_config('synchronous_commit', 'off', true), pg_notify('amc_changed', $1)";

/// Names this opening of the store in its own notifications, so that it need not listen to itself.
std::string new_sender();

/// Tells that these rows may have changed. A transaction of its own after the commit: PostgreSQL lets one transaction
/// that notifies commit at a time, and this one waits for no disk.
/// The statement "notify" must be prepared.
connection::call notify_call(const std::string& sender, std::span<const uuid> ids);

/// Reads what `notify_call` sends.
change_feed::news parse_notification(const std::string& payload, const std::string& own_sender);

std::unique_ptr<change_feed> make_change_feed(const postgresql_options& options, std::string own_sender);

}  // namespace amc::message_store::postgresql
