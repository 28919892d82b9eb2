#include "tests/simulation/scenario.hpp"

#include <algorithm>
#include <stdexcept>

#include "tests/simulation/random.hpp"

namespace amc::simulation {
namespace {

constexpr std::array<std::string_view, faults> names{"kill",
                                                     "stop",
                                                     "pause",
                                                     "services_away",
                                                     "network_cut",
                                                     "request_lost",
                                                     "request_late",
                                                     "request_doubled",
                                                     "response_lost",
                                                     "store_away",
                                                     "store_crash",
                                                     "store_unknown",
                                                     "store_busy",
                                                     "store_full",
                                                     "store_clock",
                                                     "feed_cut",
                                                     "queue_lost",
                                                     "queue_doubled",
                                                     "queue_delayed",
                                                     "queue_reordered",
                                                     "queue_unconfirmed",
                                                     "queue_cut",
                                                     "queue_away",
                                                     "queue_wiped",
                                                     "ack_lost",
                                                     "wall_clock",
                                                     "queue_divided"};

}  // namespace

std::string_view name_of(fault kind) {
  return names[static_cast<std::size_t>(kind)];
}

bool may_cost_a_claim(fault kind) {
  switch (kind) {
    case fault::feed_cut:
    case fault::queue_lost:
    case fault::queue_doubled:
    case fault::queue_delayed:
    case fault::queue_reordered:
    case fault::queue_unconfirmed:
    case fault::queue_cut:
    case fault::queue_away:
    case fault::queue_wiped:
    case fault::ack_lost:
    case fault::wall_clock:
    case fault::queue_divided:
      return false;
    default:
      return true;
  }
}

bool scenario::calm() const {
  return !moves_at && std::all_of(rate.begin(), rate.end(), [](double r) { return r == 0; });
}

namespace {

/// More than the services can take for a while, and room for a few events only.
scenario in_a_rush(scenario s, random_stream& random) {
  s.messages = 50;
  s.posts_until = milliseconds(300);
  s.faults_until = s.posts_until;
  s.queue_depth_max = static_cast<std::size_t>(random.between(1, 3));
  s.concurrency = 1;
  s.handler_longest = milliseconds(200);
  s.slow_handlers = s.failing = 0;
  s.poisonous = 0;
  return s;
}

/// Some runs have hardly any faults, so that what the others do not touch is held to its moment.
void leave_few(scenario& s, random_stream& random) {
  std::vector<double*> there;
  for (auto& rate : s.rate)
    if (rate > 0) there.push_back(&rate);
  const auto kept = static_cast<std::size_t>(random.between(1, 2));
  while (there.size() > kept) {
    const auto which = random.below(there.size());
    *there[which] = 0;
    there.erase(there.begin() + static_cast<std::ptrdiff_t>(which));
  }
}

/// Services stop while they work, and give back what they cannot finish.
void stop_at_work(scenario& s) {
  s.rate.fill(0);
  s.rate[static_cast<std::size_t>(fault::stop)] = 1;
  s.slow_handlers = 0.25;
  s.lease = milliseconds(2'000);
  s.faults_until = s.posts_until + milliseconds(6'000);
}

/// Large texts among small ones, and services that come to a queue full of them.
void weigh_down(scenario& s, random_stream& random) {
  constexpr std::size_t handlers = 16;
  s.large = random.chance(0.5) ? 0.3 : 0.9;
  s.concurrency = handlers;
  s.queue_depth_max = 100;
  s.messages += handlers;
  s.services_late = milliseconds(random.between(0, 1'500));
}

/// What came into the world later, from a stream of its own.
void add_operations(scenario& s, random_stream& random) {
  if (random.chance(0.25)) {
    s.kept = milliseconds(random.between(2'000, 6'000));
    s.dead_kept = s.kept + milliseconds(random.between(2'000, 6'000));
    s.purge_interval = milliseconds(random.between(200, 2'000));
  }
  if (random.chance(0.2)) s.key_kept = milliseconds(random.between(500, 4'000));
  if (random.chance(0.15)) weigh_down(s, random);
  if (random.chance(0.1)) s.unfit = 0.3;
  if (random.chance(0.5)) s.operators_acts = static_cast<int>(random.between(3, 12));
  if (s.calm() || s.posts_until == s.faults_until) return;
  const auto kind = random.between(1, 20);
  if (kind <= 4) leave_few(s, random);
  if (kind == 5) stop_at_work(s);
}

scenario with_its_faults(std::uint64_t seed) {
  random_stream random(seed, 0);
  scenario s;
  s.seed = seed;
  s.together = random.chance(0.1);
  s.brokers = s.together ? 1 : random.chance(0.2) ? 3 : 2;
  s.messages = static_cast<int>(random.between(6, 20));
  s.lease = milliseconds(1'000 * random.between(1, 3));
  s.ring_again = milliseconds(1'500 * random.between(1, 3));
  s.sweep_interval = milliseconds(random.between(200, 600));
  s.queue_depth_max = random.chance(0.3) ? static_cast<std::size_t>(random.between(1, 4)) : 100;
  s.concurrency = static_cast<std::size_t>(random.between(1, 4));
  s.handler_longest = milliseconds(random.between(5, 300));
  if (random.chance(0.4)) s.slow_handlers = 0.15;
  if (random.chance(0.1)) s.handler_timeout = 2 * s.lease;
  if (random.chance(0.15)) s.poisonous = static_cast<int>(random.between(1, 2));
  if (random.chance(0.3)) s.failing = 0.3;
  s.posts_until = milliseconds(random.chance(0.3) ? 300 : random.between(2'000, 8'000));
  s.faults_until = s.posts_until + milliseconds(random.between(0, 4'000));
  constexpr double rushes = 0.03;
  if (random.chance(rushes)) return in_a_rush(s, random);
  // Each run has some of the faults only, some often and some seldom: together they would hide one another.
  if (random.chance(0.15)) return s;
  for (std::size_t i = 0; i < static_cast<std::size_t>(fault::queue_divided); ++i)
    if (random.chance(0.3)) s.rate[i] = static_cast<double>(random.between(1, 100)) / 100;
  return s;
}

engine_kind any_kind(random_stream& random) {
  engine_kind kind;
  kind.by_offsets = random.chance(0.3);
  kind.gives_back = !kind.by_offsets && random.chance(0.85);
  kind.keeps_order = random.chance(0.8);
  return kind;
}

/// Engines of every kind, and a move from one to another. The one that lives in a process is always of one kind.
void choose_engines(scenario& s, random_stream& random) {
  if (s.together) return;
  s.engine = any_kind(random);
  s.next_engine = any_kind(random);
  if (s.engine.by_offsets && !s.calm() && random.chance(0.5))
    s.rate[static_cast<std::size_t>(fault::queue_divided)] = static_cast<double>(random.between(1, 100)) / 100;
  if (!s.unheard && random.chance(0.15)) s.moves_at = milliseconds(random.between(200, s.posts_until.count()));
}

}  // namespace

scenario scenario_of(std::uint64_t seed) {
  constexpr std::uint64_t stream_of_operations = 50;
  random_stream random(seed, stream_of_operations);
  auto s = with_its_faults(seed);
  add_operations(s, random);
  constexpr std::uint64_t stream_of_receivers = 51;
  random_stream of_receivers(seed, stream_of_receivers);
  s.receive = of_receivers.chance(s.together ? 0.5 : 0.35);
  s.by_runtime = s.receive && (s.together || of_receivers.chance(0.5));
  s.unheard = s.by_runtime && !s.together && of_receivers.chance(0.5);
  if (s.receive && !s.by_runtime) s.slow_handlers = 0;  // such a service extends no lease
  constexpr std::uint64_t stream_of_engines = 52;
  random_stream of_engines(seed, stream_of_engines);
  choose_engines(s, of_engines);
  constexpr std::uint64_t stream_of_pauses = 53;
  random_stream of_pauses(seed, stream_of_pauses);
  if (of_pauses.chance(0.25)) s.pauses = static_cast<int>(of_pauses.between(1, 4));
  constexpr std::uint64_t stream_of_interventions = 54;
  random_stream of_interventions(seed, stream_of_interventions);
  if (of_interventions.chance(0.3)) s.interventions = static_cast<int>(of_interventions.between(2, 20));
  return s;
}

std::vector<std::string> what_goes_wrong(const scenario& plan) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < faults; ++i)
    if (plan.rate[i] > 0) all.emplace_back(names[i]);
  if (plan.slow_handlers > 0) all.emplace_back("slow_handlers");
  if (plan.failing > 0) all.emplace_back("failing");
  if (plan.poisonous > 0) all.emplace_back("poisonous");
  if (plan.large > 0) all.emplace_back("large");
  if (plan.unfit > 0) all.emplace_back("unfit");
  if (plan.pauses > 0) all.emplace_back("pauses");
  if (plan.interventions > 0) all.emplace_back("interventions");
  return all;
}

void leave_out(scenario& plan, std::string_view name) {
  if (name == "slow_handlers")
    plan.slow_handlers = 0;
  else if (name == "failing")
    plan.failing = 0;
  else if (name == "poisonous")
    plan.poisonous = 0;
  else if (name == "large")
    plan.large = 0;
  else if (name == "unfit")
    plan.unfit = 0;
  else if (name == "pauses")
    plan.pauses = 0;
  else if (name == "interventions")
    plan.interventions = 0;
  else if (const auto at = std::find(names.begin(), names.end(), name); at != names.end())
    plan.rate[static_cast<std::size_t>(at - names.begin())] = 0;
  else
    throw std::invalid_argument("nothing that goes wrong is named " + std::string(name));
}

std::size_t page_bytes_of(const list_filter& filter) {
  const auto bytes_of_default = list_filter().text_bytes_max;
  return filter.text_bytes_max / std::max<std::size_t>(1, bytes_of_default / page_max_bytes);
}

std::vector<std::string> settings_of(const scenario& plan) {
  return {"broker.lease_ms=" + std::to_string(plan.lease.count()),
          "broker.ring_again_ms=" + std::to_string(plan.ring_again.count()),
          "broker.queue_depth_max=" + std::to_string(plan.queue_depth_max),
          "broker.max_claims=" + std::to_string(max_claims),
          "broker.max_failures=" + std::to_string(max_failures),
          "broker.max_revisions=" + std::to_string(max_revisions),
          "broker.back_off_initial_ms=" + std::to_string(back_off_initial.count()),
          "broker.back_off_max_ms=" + std::to_string(back_off_max.count())};
}

namespace {

std::string describe(const engine_kind& kind) {
  return std::string(kind.by_offsets   ? "knows offsets"
                     : kind.gives_back ? "gives back"
                                       : "gives nothing back") +
         (kind.keeps_order ? "" : ", in no order");
}

}  // namespace

std::string describe(const scenario& plan) {
  std::string text =
      "seed " + std::to_string(plan.seed) + ": " + (plan.together ? "all in one process, " : "") +
      (plan.unheard      ? "nothing is rung, all receive, "
       : plan.by_runtime ? "a's runtime receives, "
       : plan.receive    ? "a receives over HTTP, "
                         : "") +
      "an engine that " + describe(plan.engine) + ", " +
      (plan.moves_at
           ? "at " + std::to_string(plan.moves_at->count()) + " ms another that " + describe(plan.next_engine) + ", "
           : "") +
      std::to_string(plan.brokers) + " brokers, " + std::to_string(plan.messages) + " messages until " +
      std::to_string(plan.posts_until.count()) + " ms, lease " + std::to_string(plan.lease.count()) + ", ring again " +
      std::to_string(plan.ring_again.count()) + ", sweep " + std::to_string(plan.sweep_interval.count()) + ", depth " +
      std::to_string(plan.queue_depth_max) + ", concurrency " + std::to_string(plan.concurrency) + ", handlers " +
      std::to_string(plan.handler_longest.count()) + (plan.slow_handlers > 0 ? ", some slow" : "") +
      (plan.failing > 0 ? ", some fail" : "") + (plan.poisonous > 0 ? ", some kill" : "") +
      (plan.large > 0 ? ", some large" : "") + (plan.unfit > 0 ? ", some unfit" : "") +
      (plan.pauses > 0 ? ", queues are paused" : "") + (plan.interventions > 0 ? ", operators intervene" : "") +
      "; faults until " + std::to_string(plan.faults_until.count()) + ":";
  for (std::size_t i = 0; i < faults; ++i)
    if (plan.rate[i] > 0) text += " " + std::string(names[i]) + "=" + std::to_string(plan.rate[i]).substr(0, 4);
  return plan.calm() ? text + " none" : text;
}

}  // namespace amc::simulation
