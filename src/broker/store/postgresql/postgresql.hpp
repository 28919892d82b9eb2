#pragma once

#include <functional>
#include <memory>
#include <string>

#include "amc/store.hpp"

namespace amc::broker {

struct postgresql_options {
  std::string url;                      ///< "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
  milliseconds connect_timeout{5'000};  ///< for one attempt to connect
  milliseconds answer_timeout{10'000};  ///< for one batch; then the connection is given up
  std::function<timestamp()> now{};     ///< the store's clock; empty: the server's own
};

/// A store in a PostgreSQL database (13 or newer); its tables are made, and brought up to date, under an advisory lock.
/// Any number of processes may share it. A batch is one transaction that travels whole, COMMIT included, in one write:
/// a process that is paused holds no lock. A batch that deadlocks or cannot be serialized is run again; a connection
/// that was lost is made anew at the next call. Lost after the batch was sent, its outcome is unknown, and said so.
/// Throws startup_error when it cannot be opened. What is durable needs `synchronous_commit` on, the server's default.
std::unique_ptr<store> open_postgresql(postgresql_options options);

}  // namespace amc::broker
