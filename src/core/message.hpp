#pragma once

#include <boost/uuid/uuid.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "amc/message.hpp"

namespace amc {

using uuid = boost::uuids::uuid;

/// The 36 characters of RFC 9562, lower case.
std::string to_string(const uuid& id);

/// Reads what `to_string` writes (either case); nothing for any other text.
std::optional<uuid> parse_uuid(std::string_view text);

/// Whether a text is a W3C trace context: "00-" 32 hex digits "-" 16 hex digits "-" 2 hex digits, in lower case.
bool is_traceparent(std::string_view text);

std::optional<status> parse_status(std::string_view text);

/// "", "json", "base64": as rows keep it.
const char* to_string(content_form form);
std::optional<content_form> parse_content_form(std::string_view text);

/// What went wrong with a message once, and when (the store's clock).
struct attempt {
  int revision = 0;
  std::int64_t claim = 0;  ///< the latest then
  timestamp at{};
  std::string error{};
};

/// A row keeps the last this many attempts.
constexpr std::size_t attempts_max = 10;

/// What became of a revision: "answered", "failed", "retried", "erased", or how the message ended there.
struct past {
  int revision = 0;
  timestamp at{};  ///< the store's clock, as all times here
  std::string what{};
  std::string queue{};                    ///< where the revision was
  std::string by{};                       ///< who held its claim; empty: nobody, or nobody told
  std::int64_t claim = 0;                 ///< the number of that claim; 0: nobody held one
  std::optional<timestamp> claimed_at{};  ///< since when it was held
  std::optional<timestamp> rung_at{};     ///< when the revision was rung first; nothing: never, or not known
  std::string asked_by{};                 ///< the principal that wanted this; empty: the broker itself, or not known
};

/// What a revision said that another has followed.
struct past_content {
  int revision = 0;
  std::string text{};  ///< as of a row
  content_form form = content_form::text;
  std::string content_type{};
};

/// A row keeps the last this many of what became of its revisions. With queues, holders and principals of bounded names
/// that is at most 48 KiB.
constexpr std::size_t history_max = 32;
/// What a content of the past is counted with besides its text, where those of one message are bounded.
constexpr std::size_t past_content_overhead_bytes = 100;
/// Of the name of who holds a claim; a longer one is cut.
constexpr std::size_t holder_max_bytes = 200;

/// One message: one row of the store. docs/architecture.md tells its life.
struct message {
  uuid id{};         ///< UUIDv7
  std::string text;  ///< UTF-8 without U+0000; of bytes their base64
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
  std::string tracestate{};               ///< what belongs to it
  std::string owner{};                    ///< who made it; empty: nobody is known
  content_form form = content_form::text;
  std::string content_type{};             ///< empty: none was told, and the text is a text
  std::vector<header> headers{};          ///< of the whole conversation, until an answer replaces them
  std::string holder{};                   ///< who has the latest claim; empty: nobody, or nobody told
  std::string last_queue{};               ///< where a message that is done waited last
  std::string history{};                  ///< what became of its revisions, the latest last; `history_of` reads it
  std::optional<timestamp> rung_at{};     ///< when this revision was rung first, or was to be
  std::optional<timestamp> claimed_at{};  ///< since when the latest claim is held; nothing once that has ended
  std::optional<timestamp> erased_at{};   ///< when its content was erased, for good
  timestamp created_at{};
  timestamp updated_at{};
};

/// What can be read of it; `unreadable` counts the lines that cannot, which are not what `changed` writes.
std::vector<past> history_of(const message& m, std::size_t& unreadable);
std::vector<past> history_of(const message& m);
/// The last of it; nothing where there is none, or it cannot be read.
std::optional<past> latest_of(const message& m);

/// A row as it was read or written; shared, never changed.
using row = std::shared_ptr<const message>;

/// "message `id`, revision `revision`, is ready": what a queue carries.
struct event {
  uuid id{};
  int revision = 0;
  std::string traceparent{};  ///< when known
};

/// A revision with its claim and content, as whoever works on it gets it. (id, revision) is the idempotency key.
struct claimed_revision {
  uuid id{};
  int revision = 0;
  std::int64_t claim = 0;
  std::string text;  ///< of a JSON value its JSON, of bytes these
  milliseconds lease{};
  std::string traceparent{};  ///< of the event; empty when it had none
  std::string tracestate{};
  content_form form = content_form::text;
  std::string content_type{};  ///< empty: none was told, and it is a text
  std::vector<header> headers{};
  int attempt = 0;     ///< how often this revision was given out and not answered, this time included; 0: not told
  bool alone = false;  ///< it was left unanswered twice: nothing else is in hand beside it
  std::optional<timestamp> created_at{};  ///< of the message; nothing where that was not told
  std::string queue{};                    ///< empty: not told
};

}  // namespace amc
