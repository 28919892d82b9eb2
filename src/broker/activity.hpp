#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/pace.hpp"
#include "core/environment.hpp"
#include "core/message.hpp"
#include "core/metrics.hpp"
#include "message_store/store.hpp"

namespace amc::broker {

struct activity_options {
  std::size_t queues_max = 0;    ///< that are told apart
  std::size_t services_max = 0;  ///< of each queue, those seen last
  std::size_t points_max = 0;    ///< of each queue's series
  std::size_t claims_max = 0;    ///< of which it is remembered when they were made
};

/// The service in the name of who holds a claim, which ends with "/" and the name of one start of one process.
std::string service_of(std::string_view holder);

/// What a process has seen of each queue: how fast it is filled and emptied, how long its revisions wait and are worked
/// on, who receives from it. In memory, since the process began: for people, charts and estimates. Nothing is decided
/// by it. Whatever works on messages in a process notes it in one of these. Thread-safe.
class activity {
 public:
  using time_point = timers::time_point;

  activity(std::shared_ptr<timers> clock, metrics& numbers, activity_options options);
  ~activity();
  activity(const activity&) = delete;
  activity& operator=(const activity&) = delete;

  /// A service asks for work of a queue. `holder`: as a claim of it would have.
  void asked(const std::string& queue, std::string_view holder);
  /// A revision was stored, and waits now, or is to be delivered later.
  void arrived(const message& now);
  /// One that nobody could claim before may be claimed now.
  void opened(const message& now, timestamp due);
  /// One was claimed. `held_until`: what nobody could claim before that.
  void claimed(const message& now, std::optional<timestamp> held_until = {});
  /// One was answered, or has failed: as the row's history tells.
  void answered(const message& now);
  void failed(const message& now);
  /// A claim was given back unworked.
  void released(const uuid& id);
  /// Somebody has counted what waits in a queue.
  void counted(const std::string& queue, std::size_t pending, std::optional<milliseconds> oldest_age);
  /// Another process works on the store, too: what is seen here is not all. Without a name it may be any.
  void changed_elsewhere(const std::string& process);
  /// Another process has told who receives through it.
  void heard(const receiving& elsewhere);

  using service = receiving::service;
  struct queue_seen {
    std::vector<service> services{};          ///< here or elsewhere, the one seen last first
    double in_per_s = 0;                      ///< over the last minute
    double out_per_s = 0;                     ///< answered, over the last minute
    double failed_per_s = 0;                  ///< over the last minute
    std::optional<milliseconds> taken_ago{};  ///< since the last claim
  };
  queue_seen of(const std::string& queue) const;
  /// The pace at which the queue is emptied in which this waits, as far as it has never been empty since. Nothing where
  /// too little was seen, or others work on the store, too, that do not tell. `now`: the store's clock.
  std::optional<pace> pace_before(const message& waiting, timestamp now) const;
  /// Since when a claim of this revision is known here to be held.
  std::optional<milliseconds> claimed_for(const message& held) const;
  /// Who was seen to receive here, and not elsewhere, in the last minute.
  std::vector<receiving> received_here() const;
  /// Queues of which something was received, or asked for.
  std::vector<std::string> received_from() const;
  milliseconds watching_for() const;
  /// Whether another process has worked on the store in the last minute.
  bool others_work() const;

  /// What was seen of a queue in one span of time.
  struct point {
    milliseconds began_ago{};
    std::uint32_t in = 0, out = 0, failed = 0;
    /// From when a revision could be worked on to its answer; nothing where nothing was answered.
    std::optional<milliseconds> p50{}, p99{};
    /// As counted last, if somebody has.
    std::optional<std::size_t> pending{};
    std::optional<milliseconds> oldest_age{};
  };
  static constexpr std::chrono::seconds point_length{30};
  /// The latest last, without a gap; empty where nothing was seen.
  std::vector<point> series(const std::string& queue) const;

 private:
  class implementation;
  std::unique_ptr<implementation> implementation_;
};

}  // namespace amc::broker
