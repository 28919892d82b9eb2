#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "message_store/store.hpp"

namespace amc::simulation {

/// What can go wrong. Each has a stream of random numbers of its own, so that leaving one out (to shrink a failure)
/// disturbs the others as little as can be.
enum class fault {
  kill,               ///< a process is gone at once, and comes back later
  stop,               ///< a process is told to stop, drains, and comes back later
  pause,              ///< a process stands still for a while
  services_away,      ///< every service of one queue is gone for long
  network_cut,        ///< a client does not reach a broker for a while
  request_lost,       ///< never arrives
  request_late,       ///< arrives when nobody waits for its answer any more
  request_doubled,    ///< is carried out once more, as a proxy may; never a POST that makes a message
  response_lost,      ///< the request is carried out, the answer never arrives
  store_away,         ///< cannot be reached for a while
  store_crash,        ///< forgets what it had not synced
  store_unknown,      ///< a commit whose outcome nobody learns
  store_busy,         ///< a commit that did not happen
  store_full,         ///< no room on the disk for a while
  store_clock,        ///< the store's clock jumps, either way
  feed_cut,           ///< what other processes change is not told for a while
  queue_lost,         ///< an event vanishes after it was confirmed
  queue_doubled,      ///< an event comes twice
  queue_delayed,      ///< an event comes late
  queue_reordered,    ///< an event overtakes others
  queue_unconfirmed,  ///< published, in part, and reported as failed
  queue_cut,          ///< a subscriber's connection is lost: what it holds is delivered again, perhaps to another
  queue_away,         ///< the engine cannot be reached for a while
  queue_wiped,        ///< the engine forgets everything
  ack_lost,           ///< an acknowledged event comes again
  wall_clock,         ///< a process's wall clock jumps, either way
  queue_divided,      ///< a queue is divided anew among its subscribers: what they hold is delivered again
};
constexpr std::size_t faults = static_cast<std::size_t>(fault::queue_divided) + 1;

std::string_view name_of(fault kind);
/// Whether a message may be left unanswered because of it, though nobody is to blame.
bool may_cost_a_claim(fault kind);

/// What engines differ in.
struct engine_kind {
  bool gives_back = true;   ///< otherwise what is given back is gone, and the sweeper rings it again
  bool keeps_order = true;  ///< otherwise events come in any order
  /// It knows of a subscriber only up to where everything is acknowledged: what was acknowledged above comes again with
  /// the rest when its queue goes to another. Such a one gives nothing back.
  bool by_offsets = false;
};

/// What one seed decides before anything runs: how large the world is, how it is configured, and what goes wrong in it
/// how often.
struct scenario {
  std::uint64_t seed = 0;
  bool together = false;  ///< one process is broker and services, with the engine in it
  int brokers = 2;
  int services_a = 2;  ///< through the API
  bool receive =
      false;  ///< the services of queue a receive over HTTP, and hear no engine; together, those of b as well
  bool by_runtime = false;  ///< they do so as the service runtime does, and not as one would write it in a few lines
  bool unheard = false;     ///< nothing is rung, in several processes: those of b receive likewise
  int services_b = 1;       ///< on the store, unless they receive
  int requesters = 2;
  engine_kind engine{};
  engine_kind next_engine{};               ///< of the one that the system moves to
  std::optional<milliseconds> moves_at{};  ///< then each process is restarted, hears both, and rings in the next
  int messages = 0;
  milliseconds lease{};
  milliseconds ring_again{};
  milliseconds sweep_interval{};
  std::size_t queue_depth_max = 0;
  std::size_t concurrency = 0;
  milliseconds handler_longest{};
  double slow_handlers = 0;  ///< how many take up to three leases
  milliseconds handler_timeout{60'000};
  int poisonous = 0;                  ///< messages that kill their service
  double failing = 0;                 ///< how many messages fail, always or now and then
  double large = 0;                   ///< how many have a text as large as a broker takes
  double unfit = 0;                   ///< how many have, or get, a text that this store cannot take
  milliseconds services_late{};       ///< services start so long after everybody else
  milliseconds posts_until{};         ///< requesters post until then, and
  milliseconds faults_until{};        ///< from here on nothing goes wrong any more
  std::array<double, faults> rate{};  ///< 0 to 1: how often, compared with the most that makes sense

  milliseconds purge_interval{5'000};
  milliseconds kept{std::chrono::days(7)};  ///< messages that are done, cancelled or expired
  milliseconds dead_kept{std::chrono::days(30)};
  milliseconds key_kept{std::chrono::days(1)};  ///< how long an idempotency key is remembered
  int pauses = 0;                               ///< of queues, one after another
  int operators_acts = 0;                       ///< what an operator does, one thing after another
  int interventions = 0;                        ///< of operators: with single messages, and purges of queues
  milliseconds kept_for(amc::status end) const { return end == amc::status::dead ? dead_kept : kept; }

  double of(fault kind) const { return rate[static_cast<std::size_t>(kind)]; }
  /// Nothing goes wrong from the beginning to the end, and nothing is moved.
  bool calm() const;
};

scenario scenario_of(std::uint64_t seed);

/// Names of all that goes wrong in it: faults, and handlers that are slow, fail or die.
std::vector<std::string> what_goes_wrong(const scenario& plan);
/// Without one of these. Throws std::invalid_argument for an unknown one.
void leave_out(scenario& plan, std::string_view name);

/// What a broker of this world is configured with.
constexpr int max_claims = 5;
constexpr int max_failures = 3;
constexpr int max_revisions = 8;
/// Sizes, small enough for texts to be cheap, in about the proportions that the defaults have.
constexpr std::size_t text_max_bytes = 2'000;
constexpr std::size_t claims_max_bytes = 2 * text_max_bytes;
constexpr std::size_t page_max_bytes = 2 * text_max_bytes;
/// What a page may hold: a byte of this world stands for many.
std::size_t page_bytes_of(const list_filter& filter);
constexpr std::size_t request_max_bytes = text_max_bytes + 1'024;
constexpr std::size_t response_max_bytes = 8 * text_max_bytes;  ///< that a client takes
constexpr milliseconds back_off_initial{200};
constexpr milliseconds back_off_max{2'000};
std::vector<std::string> settings_of(const scenario& plan);

/// For a person.
std::string describe(const scenario& plan);

}  // namespace amc::simulation
