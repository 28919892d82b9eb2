#pragma once

#include <boost/uuid/uuid.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace amc {

using uuid = boost::uuids::uuid;

/// The 36 characters of RFC 9562, lower case.
std::string to_string(const uuid& id);

/// Reads what `to_string` writes (either case); nothing for any other text.
std::optional<uuid> parse_uuid(std::string_view text);

using milliseconds = std::chrono::milliseconds;

/// A time of the store's clock. Compared only with other times of the same store.
using timestamp = std::chrono::sys_time<milliseconds>;

enum class status { pending, done, dead, cancelled, expired };

const char* to_string(status value);
std::optional<status> parse_status(std::string_view text);

/// One message: one row of the store. docs/architecture.md tells its life.
struct message {
  uuid id{};         ///< UUIDv7
  std::string text;  ///< UTF-8 without U+0000
  int revision = 1;  ///< 1, 2, …: grows by one with every answer
  amc::status status = status::pending;
  std::string queue;       ///< where the revision waits; empty once terminal
  timestamp due{};         ///< when it is rung next
  bool held = false;       ///< nobody may claim it before `due`
  std::int64_t claim = 0;  ///< number of the latest claim, never reset
  int unanswered = 0;      ///< claims since the last outcome
  int failures = 0;        ///< failures of this revision
  timestamp created_at{};
  timestamp updated_at{};
};

/// A row as it was read or written; shared, never changed.
using row = std::shared_ptr<const message>;

/// "message `id`, revision `revision`, is ready": what a queue carries.
struct event {
  uuid id{};
  int revision = 0;
};

/// An event with its claim and text, as a handler sees it. (id, revision) is the idempotency key.
struct delivery {
  uuid id{};
  int revision = 0;
  std::int64_t claim = 0;
  std::string text;
  milliseconds lease{};
};

}  // namespace amc
