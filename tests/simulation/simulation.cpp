#include "tests/simulation/simulation.hpp"

#include "tests/simulation/chaos.hpp"
#include "tests/simulation/checker.hpp"
#include "tests/simulation/cluster.hpp"
#include "tests/simulation/intervening.hpp"
#include "tests/simulation/operator.hpp"
#include "tests/simulation/pausing.hpp"
#include "tests/simulation/properties.hpp"
#include "tests/simulation/scripts.hpp"

namespace amc::simulation {
namespace {

/// One run, from the start of every process to the end of every message.
class run {
 public:
  run(const scenario& plan, const seams& planted, bool prints)
      : world_(plan, prints),
        store_(world_),
        queues_(world_, plan.engine),
        next_queues_(world_, plan.next_engine),
        net_(world_),
        around_{world_, store_, queues_, next_queues_, net_, journal_, planted},
        nodes_(around_),
        properties_(around_),
        chaos_(around_, nodes_),
        scripts_(around_, nodes_),
        operator_(around_, nodes_),
        pausing_(around_, nodes_),
        intervening_(around_, nodes_) {
    store_.note_past_through(planted.note_past);
  }

  ~run() {
    for (auto* n : nodes_.all) n->end();
  }
  run(const run&) = delete;
  run& operator=(const run&) = delete;

  verdict to_its_end() {
    for (auto& n : nodes_.brokers) n->start();
    for (auto& n : nodes_.requesters) n->start();
    for (auto& n : nodes_.services) world_.note_trouble_of(n->name(), milliseconds::max());  // until it starts
    world_.later(world_.plan().services_late, [this] {
      for (auto& n : nodes_.services) n->start();
    });
    if (plan_moves()) world_.later(*world_.plan().moves_at, [this] { move(); });
    scripts_.begin();
    operator_.begin();
    pausing_.begin();
    intervening_.begin();
    chaos_.begin();
    look();
    while (!over_ && world_.step()) continue;
    if (const auto found = check(journal_, store_.rows(), keys_last()); found && !world_.failure()) world_.fail(*found);
    operator_.check_mass_retries();
    intervening_.check_purges();
    properties_.check_waits();
    properties_.check_refusals();
    properties_.check_deaths();
    properties_.check_final_failures();
    properties_.check_what_is_left();
    properties_.check_operations();
    return {world_.log().hash(), world_.failure(), world_.now()};
  }

 private:
  void look() {
    properties_.look();
    if (!silence_ && !world_.faulty() && scripts_.over() && operator_.over() && pausing_.over() &&
        intervening_.over() && net_.quiet() && nobody_stands_still() && all_terminal())
      fall_silent();
    if (silence_ && world_.now() > *silence_) {
      properties_.check_silence();
      over_ = true;
      return;
    }
    if (world_.now() > world_.plan().faults_until + longest) return world_.fail(what_is_left());
    constexpr milliseconds interval{250};
    world_.later(interval, [this] { look(); });
  }

  bool plan_moves() const { return world_.plan().moves_at.has_value(); }

  /// One process after another is restarted, and uses the next engine then. Until the last one has been, who hears the
  /// one before alone does not hear what others ring.
  void move() {
    constexpr milliseconds apart{300}, down{10}, to_stop{10'000};
    milliseconds after{};
    for (auto* group : {&nodes_.brokers, &nodes_.services})
      for (auto& n : *group) {
        world_.later(after, [node = n.get(), down] { node->stop(down); });
        after += apart;
      }
    world_.note_trouble(fault::queue_away, world_.now() + after + to_stop);
  }

  /// Longer than any run.
  bool keys_last() const {
    constexpr milliseconds long_time{3'600'000};
    const auto& plan = world_.plan();
    return std::min({plan.key_kept, plan.kept, plan.dead_kept}) > long_time;
  }

  /// P5: when there is nothing to do, nothing is done.
  void fall_silent() {
    constexpr milliseconds a_while{2'000};
    properties_.expect_silence();
    silence_ = world_.now() + a_while;
  }

  /// Whoever does finishes first what it had begun.
  bool nobody_stands_still() const {
    return std::none_of(nodes_.all.begin(), nodes_.all.end(),
                        [](const node* n) { return n->up() && n->current()->paused(); });
  }

  bool all_terminal() const {
    for (const auto& [id, m] : store_.rows())
      if (m->status == status::pending) return false;
    return true;
  }

  std::string what_is_left() const {
    std::string left = "not everything has come to its end within ";
    left += std::to_string(longest.count()) + " ms:";
    for (const auto& [id, m] : store_.rows())
      if (m->status == status::pending) left += " " + m->text + " (revision " + std::to_string(m->revision) + ")";
    return left + (scripts_.over() ? "" : "; scripts run");
  }

  static constexpr milliseconds longest{90'000};

  world world_;
  database store_;
  engine queues_, next_queues_;
  network net_;
  journal journal_;
  surroundings around_;
  cluster nodes_;
  properties properties_;
  chaos chaos_;
  scripts scripts_;
  store_operator operator_;
  pausing pausing_;
  intervening intervening_;
  std::optional<milliseconds> silence_;
  bool over_ = false;
};

}  // namespace

verdict simulate(const scenario& plan, const seams& planted, bool prints) {
  run one(plan, planted, prints);
  return one.to_its_end();
}

}  // namespace amc::simulation
