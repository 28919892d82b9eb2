#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "message_store/migration.hpp"
#include "message_store/store.hpp"

namespace amc::message_store {

struct postgresql_options {
  std::string url;  ///< "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
  /// That change messages; one more tells what other processes change, and one lists and counts.
  std::size_t connections = 0;
  milliseconds connect_timeout{};    ///< for one address of a host, where the URL has none of its own
  milliseconds answer_timeout{};     ///< for one batch, list or count; then the connection is given up
  milliseconds poll_interval{};      ///< a notification of another process that was lost is made good after this
  std::function<timestamp()> now{};  ///< the store's clock; empty: the server's own
  std::size_t past_max_bytes = 0;    ///< of what a message's earlier revisions said, as far as it is kept
};

/// What it can be configured with.
std::vector<config_key> postgresql_keys();
/// As configured. Throws config_error.
postgresql_options postgresql_options_from(const config& settings);

/// A store in a PostgreSQL database (13 or newer); its tables are made, and brought up to date, at once. Any number of
/// processes may share it. A batch is one transaction that travels whole, COMMIT included, in one write: a process that
/// is paused holds no lock. A batch that deadlocks or cannot be serialized is run again; a connection that was lost is
/// made anew at the next call, with back-off. Lost after the batch was sent, its outcome is unknown, and said so.
/// Throws startup_error for a database that does not fit, and unavailable when it cannot be used.
opened_store open_postgresql(const postgresql_options& options);

/// What is wrong with such a URL, whatever its server says; nothing: it may work. Has no password in it.
std::optional<std::string> complaint_of_postgresql_url(const std::string& url);

/// Brings the tables up to date without opening the store, or only tells what that would take.
migration migrate_postgresql(const postgresql_options& options, bool only_plan);

}  // namespace amc::message_store
