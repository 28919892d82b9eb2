#pragma once

#include <memory>

#include "broker/maintenance/purger.hpp"
#include "broker/maintenance/receiving_news.hpp"
#include "broker/maintenance/sweeper.hpp"
#include "broker/messages.hpp"
#include "core/config.hpp"

namespace amc::broker {

struct parts_options {
  messages_options verbs{};
  sweeper_options sweep{};
  purger_options purge{};
  activity_options seen{};
  milliseconds receiving_told{};  ///< between two times that others are told who receives here
  bool engine_is_heard = true;    ///< false where nobody can hear the queue engine: nothing is rung
};

activity_options activity_options_from(const config& settings);
/// As configured.
parts_options parts_options_from(const config& settings);

/// What everything that works on messages directly has in a process: the verbs, the ringing, and the loops that keep
/// them going. For one thread. `seen`: what all of a process note in; null: these alone, in one of their own.
class parts {
 public:
  parts(const environment& env, message_store::async_store store, std::shared_ptr<queue_system::publisher> publish,
        std::shared_ptr<const router> routes, uuid_source new_id, const parts_options& options,
        std::shared_ptr<activity> seen = nullptr);

  const std::shared_ptr<broker::messages>& messages() const { return messages_; }

  /// Starts the loops. `engine_is_empty`: everything that nobody holds is rung at once.
  void run(bool engine_is_empty);
  /// Ends them and waits for ringings under way.
  task<void> stop();

 private:
  std::shared_ptr<activity> seen_;
  std::shared_ptr<messages_metrics> numbers_;
  std::shared_ptr<pauses> paused_;
  std::shared_ptr<ringing> rings_;
  std::shared_ptr<broker::messages> messages_;
  sweeper sweeper_;
  purger purger_;
  receiving_news receiving_;
};

}  // namespace amc::broker
