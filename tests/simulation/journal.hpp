#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "amc/message.hpp"

namespace amc::simulation {

/// A message as a client was shown it.
struct shown {
  uuid id{};
  std::string text;
  int revision = 0;
  amc::status status = amc::status::pending;
};

/// One request of a client and what it was told. Who was told nothing (a time-out, a lost connection, 503, or it died
/// itself) knows nothing.
struct told {
  enum class verdict { ok, refused, unknown };

  std::string who;
  std::string method;
  milliseconds begun{};
  milliseconds ended{};  ///< of an unknown one: when it gave up, which says nothing about when it may be carried out
  std::optional<uuid> id{};       ///< of the message asked for
  std::optional<int> revision{};  ///< that the request names: answers, or knows
  std::string sent{};             ///< the text that it sends
  bool waits = false;             ///< it asks to be kept waiting for a change
  std::string key{};              ///< its Idempotency-Key
  bool expires = false;           ///< what it posts
  std::optional<timestamp> deliver_at{};
  verdict outcome = verdict::unknown;
  int status = 0;
  std::optional<shown> now{};
};

/// One run of a handler.
struct handled {
  std::string who;
  int run = 0;
  uuid id{};
  int revision = 0;
  std::int64_t claim = 0;
  milliseconds ended{};
};

/// All messages, as a client has listed them page by page.
struct listed {
  milliseconds begun{};
  std::vector<shown> messages{};
};

/// What clients were told, in the order in which they were told it; and nothing else.
struct journal {
  std::vector<told> requests{};
  std::vector<handled> runs{};
  std::vector<listed> lists{};
  int last_run = 0;  ///< no two runs have one number, in whatever process

  /// Whether anybody has asked to retry this message, whatever became of it.
  bool was_retried(const uuid& message) const {
    return std::any_of(requests.begin(), requests.end(),
                       [&](const told& entry) { return entry.method == "retry" && entry.id == message; });
  }
};

}  // namespace amc::simulation
