#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/message.hpp"

namespace amc::simulation {

class process;

/// A message as a client was shown it.
struct shown {
  uuid id{};
  std::string text;
  int revision = 0;
  amc::status status = amc::status::pending;
  std::vector<std::string> errors{};  ///< of its attempts
};

/// What is to be retried, all of it.
struct mass_retry {
  amc::status status = amc::status::dead;
  std::string queue{};
  std::string error_part{};
};

/// One request of a client and what it was told. Who was told nothing (a time-out, a lost connection, 503, or it died
/// itself) knows nothing.
struct told {
  enum class verdict { ok, refused, unknown };

  std::string who;
  std::string method;  ///< or what an operator wants: "retry", "edit", "run-now", "move", "purge"
  milliseconds begun{};
  milliseconds ended{};  ///< of an unknown one: when it gave up, which says nothing about when it may be carried out
  std::optional<uuid> id{};               ///< of the message asked for
  std::optional<int> revision{};          ///< that the request names: answers, or knows
  std::string sent{};                     ///< the text that it sends
  bool waits = false;                     ///< it asks to be kept waiting for a change
  milliseconds longest{};                 ///< for so long
  std::string key{};                      ///< its Idempotency-Key
  std::optional<timestamp> expires_at{};  ///< of what it posts
  std::optional<timestamp> deliver_at{};
  std::optional<mass_retry> retries{};  ///< what a POST /retries is about
  std::string queue{};                  ///< that a move, an edit or a retry names; or that is to be purged
  verdict outcome = verdict::unknown;
  int status = 0;
  bool decided = false;  ///< somebody who could decide about it has answered
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
  std::string text{};   ///< that it was given
  std::string queue{};  ///< of the service
};

/// What one service of one process has in hand.
struct hands {
  const process* of = nullptr;
  std::string queue;
  std::map<std::pair<uuid, int>, milliseconds> in_hand{};  ///< message and revision, and since when
  int asking = 0;                                          ///< requests for claims under way
  bool alone = false;                                      ///< what it asks for, or has in hand, it has alone
  milliseconds idle_since{};
  bool idle() const { return in_hand.empty() && asking == 0; }
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
  std::vector<std::shared_ptr<hands>> services{};   ///< of every service that ever ran and heard events
  std::vector<std::shared_ptr<hands>> receivers{};  ///< of those that received where nothing was rung
  std::set<std::tuple<std::string, uuid, int, std::int64_t>> asked{};  ///< of claims: verb, message, revision, claim
  std::map<uuid, milliseconds> reopened{};  ///< when each was last pending again after its end, by whatever retry
  std::map<uuid, row> deleted{};            ///< as they were when they had been kept for long enough
  int last_run = 0;                         ///< no two runs have one number, in whatever process

  /// Whether somebody has asked for this, whatever became of it.
  bool was_asked(const uuid& message, std::string_view method) const {
    return std::any_of(requests.begin(), requests.end(),
                       [&](const told& entry) { return entry.id == message && entry.method == method; });
  }
  bool was_retried(const uuid& message) const { return reopened.contains(message) || was_reopened_alone(message); }
  /// Whether somebody has asked to have this one pending again, whatever became of it.
  bool was_reopened_alone(const uuid& message) const {
    return was_asked(message, "retry") || was_asked(message, "edit");
  }
  /// The same with the queue that it names; empty: it names none.
  bool was_asked(const uuid& message, std::string_view method, std::string_view queue) const {
    return std::any_of(requests.begin(), requests.end(), [&](const told& entry) {
      return entry.id == message && entry.method == method && entry.queue == queue;
    });
  }
  /// Whether somebody has asked for this text in the place of another.
  bool was_edited(const message& edited) const {
    return std::any_of(requests.begin(), requests.end(), [&](const told& entry) {
      return entry.method == "edit" && entry.id == edited.id && entry.sent == edited.text;
    });
  }
  bool was_purged(std::string_view queue) const {
    return std::any_of(requests.begin(), requests.end(),
                       [&](const told& entry) { return entry.method == "purge" && entry.queue == queue; });
  }

  /// Whether who has the row's claim has asked for this.
  bool was_asked(const char* verb, const message& row) const {
    return asked.contains({verb, row.id, row.revision, row.claim});
  }

  /// Whether somebody has asked to retry all of its kind.
  bool retries_all(const message& row) const {
    return std::any_of(requests.begin(), requests.end(), [&](const told& entry) {
      const auto& which = entry.retries;
      const auto& error = row.attempts.empty() ? std::string() : row.attempts.back().error;
      return which && which->status == row.status && (which->queue.empty() || which->queue == row.queue) &&
             error.find(which->error_part) != std::string::npos;
    });
  }

  /// The request that has posted this text; null when nobody has.
  const told* post_of(const std::string& text) const {
    const auto found = std::find_if(requests.begin(), requests.end(),
                                    [&](const told& entry) { return entry.method == "POST" && entry.sent == text; });
    return found == requests.end() ? nullptr : &*found;
  }
};

}  // namespace amc::simulation
