#pragma once

#include <boost/uuid/uuid.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amc {

using uuid = boost::uuids::uuid;

/// The 36 characters of RFC 9562, lower case.
std::string to_string(const uuid& id);

/// Reads what `to_string` writes (either case); nothing for any other text.
std::optional<uuid> parse_uuid(std::string_view text);

/// Whether a text is a W3C trace context: "00-" 32 hex digits "-" 16 hex digits "-" 2 hex digits, in lower case.
bool is_traceparent(std::string_view text);

using milliseconds = std::chrono::milliseconds;

/// A time of the store's clock. Compared only with other times of the same store.
using timestamp = std::chrono::sys_time<milliseconds>;

enum class status { pending, done, dead, cancelled, expired };

const char* to_string(status value);
std::optional<status> parse_status(std::string_view text);

/// What went wrong with a message once, and when (the store's clock).
struct attempt {
  int revision = 0;
  std::int64_t claim = 0;  ///< the latest then
  timestamp at{};
  std::string error{};
};

/// A row keeps the last this many attempts.
constexpr std::size_t attempts_max = 10;

/// One message: one row of the store. docs/architecture.md tells its life.
struct message {
  uuid id{};         ///< UUIDv7
  std::string text;  ///< UTF-8 without U+0000
  int revision = 1;  ///< 1, 2, …: grows by one with every answer
  amc::status status = status::pending;
  std::string queue;       ///< where the revision waits, or waited when it died or was cancelled; empty once done
  timestamp due{};         ///< when it is rung next
  bool held = false;       ///< nobody may claim it before `due`
  std::int64_t claim = 0;  ///< number of the latest claim, never reset; 0: nobody has ever claimed it
  int unanswered = 0;      ///< claims since the last outcome
  int failures = 0;        ///< failures of this revision
  milliseconds lease{};    ///< how long a claim of this revision lasts
  int max_claims = 0;      ///< dead when this many claims went unanswered
  std::vector<attempt> attempts{};        ///< the latest last; why a dead message died is the last one's error
  std::optional<timestamp> expires_at{};  ///< pending no longer than this
  std::string idempotency_key{};          ///< of the request that made it; empty: it had none
  std::string fingerprint{};              ///< of that request's body
  std::string traceparent{};              ///< W3C trace context of that request; empty: it had none
  timestamp created_at{};
  timestamp updated_at{};
};

/// A row as it was read or written; shared, never changed.
using row = std::shared_ptr<const message>;

/// "message `id`, revision `revision`, is ready": what a queue carries.
struct event {
  uuid id{};
  int revision = 0;
  std::string traceparent{};  ///< when known
};

/// An event with its claim and text, as a handler sees it. (id, revision) is the idempotency key.
struct delivery {
  uuid id{};
  int revision = 0;
  std::int64_t claim = 0;
  std::string text;
  milliseconds lease{};
  std::string traceparent{};  ///< of the event; empty when it had none
};

}  // namespace amc
