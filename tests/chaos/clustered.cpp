#include <algorithm>
#include <iomanip>
#include <iostream>
#include <random>
#include <thread>

#include "tests/chaos/api.hpp"
#include "tests/chaos/cluster.hpp"
#include "tests/chaos/load.hpp"
#include "tests/chaos/parts.hpp"
#include "tests/chaos/server_cluster.hpp"

namespace amc::chaos {
namespace {

using clock = std::chrono::steady_clock;

/// As docs/scaling.md has it, with the engines' time-outs that the keys begin with.
constexpr std::chrono::seconds back_within{90};

/// Short, so that what an engine loses comes round again soon; a service may meet it any number of times.
const std::vector<std::string> rung_again_soon{"broker.lease_ms=3000",
                                               "broker.ring_again_ms=3000",
                                               "broker.sweep_interval_ms=200",
                                               "broker.max_claims=1000",
                                               "consumer_services.drain_timeout_ms=3000",
                                               "broker.drain_timeout_ms=3000",
                                               "app.startup_timeout_ms=200000"};

/// Brokers and services over servers that work together, and clients that post all the time.
class clustered_system {
 public:
  clustered_system(const std::string& engine, bool apart, std::uint64_t seed)
      : servers_(engine, apart),
        system_({.seed = seed,
                 .engines = {},
                 .own_postgresql = engine != "postgresql",
                 .services_a = 2,
                 .services_b = 2,
                 .sets = sets_for(servers_)}) {
    // PostgreSQL alone is a whole deployment: brokers with their services in the process.
    system_.set_home(engine == "postgresql" ? cluster::embedded : cluster::named_by_sets);
    system_.start_brokers();
    system_.start_services();
    system_.wait_for_brokers();
    clients_ = std::make_unique<load>(load::options{.ports = system_.ports(), .name = "c", .seed = seed});
  }

  void tell(const std::string& command) {
    std::cout << std::fixed << std::setprecision(1) << std::setw(7) << seconds_since(begun_) << " s  " << command
              << std::endl;
    servers_.tell(command);
  }

  /// Posts a message until it is accepted, and waits until it is done.
  void expect_back(const std::string& after) {
    const auto from = clock::now();
    post one;
    one.token = "probe-" + std::to_string(probes_.size() + 1);
    one.key = "key-" + one.token;
    one.sent = true;
    const auto ports = system_.ports();
    for (std::size_t i = 0; !is_done(one, ports[i % ports.size()]); ++i)
      if (clock::now() - from > back_within) {
        probes_.push_back(one);
        throw violation("not back within " + std::to_string(back_within.count()) + " s after \"" + after + "\"");
      }
    probes_.push_back(one);
    std::cout << std::fixed << std::setprecision(1) << "           back after " << seconds_since(from) << " s"
              << std::endl;
    system_.expect_all_run();
  }

  /// Posts a message that nobody may tell to be accepted.
  void expect_refused() {
    post one;
    one.token = "unsafe-" + std::to_string(probes_.size() + 1);
    one.sent = true;
    probes_.push_back(one);
    unsigned status = 503;
    try {
      tests::raw_connection link(system_.ports().front());
      status =
          static_cast<unsigned>(link.ask("POST", "/messages", "{\"message\":\"" + text_of(one.token) + "\"}").status);
    } catch (const std::exception&) {
      // without an answer in time nobody was told that it is accepted
    }
    if (status != 503) throw violation("answered " + std::to_string(status) + " though no standby has it");
  }

  void check_everything() {
    clients_->stop();
    wait_until_finished(system_.ports().front(), std::chrono::seconds(60));
    system_.expect_all_run();
    auto posts = clients_->journal();
    posts.insert(posts.end(), probes_.begin(), probes_.end());
    const auto rows = every_message_at(system_.ports().front());
    auto wrong = clients_->complaints();
    const auto more = check(posts, rows);
    wrong.insert(wrong.end(), more.begin(), more.end());
    std::cout << "posts accepted " << clients_->accepted() << ", of unknown outcome " << clients_->unknown()
              << "; messages checked " << rows.size() << ", violations " << wrong.size() << std::endl;
    std::string all;
    for (std::size_t i = 0; i < wrong.size() && i < 20; ++i) all += wrong[i] + "\n";
    if (!all.empty()) throw violation(all);
  }

  std::string save_logs() {
    const auto folder = system_.save_logs();
    try {
      servers_.tell("keep-logs " + folder);
    } catch (const std::exception& failed) {
      std::cerr << "without the servers' own: " << failed.what() << std::endl;
    }
    return folder;
  }

 private:
  static std::vector<std::string> sets_for(const server_cluster& servers) {
    auto all = rung_again_soon;
    const auto more = servers.sets();
    all.insert(all.end(), more.begin(), more.end());
    // A store that hangs is found out once for each batch that waits for it.
    all.push_back("broker.store.postgresql.answer_timeout_ms=2000");
    return all;
  }

  static double seconds_since(clock::time_point when) {
    return std::chrono::duration<double>(clock::now() - when).count();
  }

  bool is_done(post& one, std::uint16_t port) {
    try {
      tests::raw_connection link(port);
      const auto got = link.ask("POST", "/messages", "{\"message\":\"" + text_of(one.token) + "\"}",
                                "Idempotency-Key: \"" + one.key + "\"\r\nPrefer: wait=1\r\n");
      if (got.status < 200 || got.status > 202) return false;
      one.id = got.json().at("id").as_string();
      return got.json().at("status").as_string() == "done";
    } catch (const std::exception&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      return false;
    }
  }

  const clock::time_point begun_ = clock::now();
  server_cluster servers_;
  cluster system_;
  std::unique_ptr<load> clients_;
  std::vector<post> probes_;
};

struct disturbance {
  std::string begin, end;
};

constexpr int members = 3;

/// Each way, with each member, in an order that the seed decides.
std::vector<disturbance> disturbances(bool apart, std::uint64_t seed) {
  std::vector<disturbance> all;
  for (int i = 1; i <= members; ++i) {
    const auto member = " " + std::to_string(i);
    all.push_back({"kill" + member, "start" + member});
    all.push_back({"freeze" + member, "thaw" + member});
    if (!apart) continue;
    all.push_back({"cut" + member, "mend" + member});
    all.push_back({"unplug" + member, "plug" + member});
  }
  std::mt19937_64 random(seed);
  std::shuffle(all.begin(), all.end(), random);
  return all;
}

bool is_in_step(clustered_system& system) {
  try {
    system.tell("in-step");
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

/// NATS 2.9 does not always get in step again by itself, and says so (docs/scaling.md): then its servers are to be
/// started anew, and AMC has to go on as if nothing had been.
void expect_in_step(clustered_system& system, const std::string& engine, const std::string& after) {
  if (engine != "nats") {
    system.tell("in-step");
    return system.expect_back(after);
  }
  if (is_in_step(system)) try {
      return system.expect_back(after);
    } catch (const violation&) {
      if (is_in_step(system)) throw;
    }
  std::cout << "           NATS does not get in step: each of its servers is started anew" << std::endl;
  for (int i = 1; i <= members; ++i) {
    system.tell("kill " + std::to_string(i));
    system.tell("start " + std::to_string(i));
  }
  if (!is_in_step(system)) throw std::runtime_error("NATS does not get in step by a start of its servers either");
  system.expect_back("the start of each server anew");
}

void disturb_engine(clustered_system& system, const std::string& engine, std::size_t count, bool apart,
                    std::uint64_t seed) {
  auto all = disturbances(apart, seed);
  if (count > 0 && count < all.size()) all.resize(count);
  for (const auto& each : all) {
    system.tell(each.begin);
    system.expect_back(each.begin);  // while it is away
    system.tell(each.end);
    expect_in_step(system, engine, each.end);
  }
}

/// Without its standby nothing is accepted; and what was accepted before is there.
void take_standby(clustered_system& system, const disturbance& how) {
  system.tell(how.begin);
  system.expect_refused();
  system.tell(how.end);
  system.tell("in-step");
  system.expect_back(how.end);
}

/// However the primary was lost: it is ended for good before another takes its place.
void fail_over(clustered_system& system, const std::string& lost, const std::string& from, const std::string& to) {
  if (!lost.empty()) {
    system.tell(lost + " " + from);
    system.expect_refused();
  }
  system.tell("kill " + from);
  if (lost == "unplug") system.tell("plug " + from);
  if (lost == "cut") system.tell("mend " + from);
  system.tell("promote " + to);
  system.expect_back("promote " + to);
  system.tell("start " + from);
  system.expect_back("start " + from);
}

void disturb_postgresql(clustered_system& system, std::size_t count, bool apart) {
  fail_over(system, "", "1", "2");
  if (count > 0) return;
  take_standby(system, {"kill 1", "start 1"});
  take_standby(system, {"freeze 1", "thaw 1"});
  if (apart) take_standby(system, {"cut 1", "mend 1"});
  fail_over(system, "freeze", "2", "1");
  if (!apart) return;
  fail_over(system, "cut", "1", "2");
  fail_over(system, "unplug", "2", "1");
}

}  // namespace

void clustered(const std::string& engine, std::size_t count, bool apart, std::uint64_t seed) {
  std::cout << "== a cluster: " << engine << ", seed " << seed
            << (apart ? "" : "; nobody is cut off here: that takes the right to make network namespaces") << std::endl;
  clustered_system system(engine, apart, seed);
  try {
    system.expect_back("the start");
    if (engine == "postgresql")
      disturb_postgresql(system, count, apart);
    else
      disturb_engine(system, engine, count, apart, seed);
    system.check_everything();
  } catch (const std::exception&) {
    std::cerr << "logs are in " << system.save_logs() << std::endl;
    throw;
  }
}

}  // namespace amc::chaos
