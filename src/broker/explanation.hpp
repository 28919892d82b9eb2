#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/activity.hpp"
#include "broker/life_cycle.hpp"

/// Why a message is where it is. Plain logic without I/O: what is known goes in, and nothing else is claimed.
namespace amc::broker {

/// What is known of a message, and of the queue that it is in.
struct explanation_facts {
  row what{};
  timestamp now{};  ///< the store's clock
  life_cycle::policy rules{};
  std::size_t older = 0;  ///< rows that are claimed before it
  bool older_is_all = true;
  std::vector<std::string> holders{};  ///< of claims in the queue, across brokers; empty names: who told none
  std::size_t parked = 0;              ///< requests for work of the queue, parked at this broker
  std::vector<activity::service>
      services{};               ///< that this broker has seen receive from it, or heard of; the one seen last first
  milliseconds watching_for{};  ///< how long this broker has looked
  std::optional<pace> at{};     ///< at which what waits before it is claimed
  std::optional<milliseconds> claimed_for{};
  std::optional<paused_queue> paused{};
  bool engine_is_needed = false;                ///< services may hear of it through the queue engine
  std::optional<std::string> engine_trouble{};  ///< why the queue engine cannot be reached; empty: not told
  std::optional<std::string> store_trouble{};   ///< why nothing can be changed in the store; likewise
  bool queue_is_known = false;                  ///< a route or an entry of the configuration names the queue
  std::optional<std::string> refused_answer{};  ///< why the latest answer to this revision was refused
  std::vector<std::string> received_from{};     ///< queues that are, of which who asks may know
};

enum class whereabouts {
  next,             ///< waits, with nothing before it
  backlog,          ///< waits behind others
  nobody_receives,  ///< waits, and nobody was ever seen to receive from its queue
  services_gone,    ///< waits, and nobody receives from its queue any more
  paused,           ///< waits, and its queue is paused
  engine_away,      ///< waits, and the queue engine cannot tell anybody
  store_away,       ///< waits, and nobody can claim it: the store can be read at most
  left_unanswered,  ///< waits, after claims that nobody has answered
  scheduled,        ///< is to be delivered later
  held,             ///< somebody works on it
  back_off,         ///< has failed, and is tried again later
  done,
  dead,
  cancelled,
  expired,
};
/// "next", "backlog", …: as above.
const char* to_string(whereabouts reason);
inline constexpr std::size_t whereabouts_count = static_cast<std::size_t>(whereabouts::expired) + 1;

/// For people a sentence, without its subject and its full stop; and what it says as data. What is not known, or has
/// nothing to do with the reason, is absent.
struct explanation {
  whereabouts reason{};
  std::string sentence{};

  // Of what waits:
  std::optional<std::size_t> older{};
  bool older_is_all = true;
  std::vector<activity::service> services{};
  std::vector<std::string> holders{};
  std::size_t parked = 0;
  std::optional<double> rate_per_s{};    ///< at which its queue is claimed
  std::optional<time_range> taken_in{};  ///< until it is claimed
  std::optional<std::string> nearest_queue{};
  std::optional<milliseconds> watching_for{};
  bool engine_is_away = false;
  std::optional<paused_queue> paused{};
  // Of what is held, scheduled or to be tried again:
  std::optional<timestamp> due{};
  std::string holder{};
  std::optional<int> attempt{};
  std::optional<milliseconds> held_for{}, lease_ends_in{};
  // Of what has failed or was left unanswered:
  std::optional<int> failures{}, failures_max{};
  std::optional<std::string> error{};
  std::optional<int> unanswered{}, claims_left{};
  std::optional<std::string> refused_answer{};
  // Of what has ended:
  std::optional<timestamp> ended_at{};
  std::optional<milliseconds> took{};
  std::string by{};
};

explanation explain(const explanation_facts& of);

}  // namespace amc::broker
