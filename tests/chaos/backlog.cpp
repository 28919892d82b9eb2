#include <algorithm>
#include <iostream>
#include <map>

#include "tests/chaos/api.hpp"
#include "tests/chaos/cluster.hpp"
#include "tests/chaos/load.hpp"
#include "tests/chaos/parts.hpp"
#include "tests/support/postgresql.hpp"

namespace amc::chaos {
namespace {

constexpr int lease_ms = 1'000;
constexpr int depth_max = 500;

using revision_name = std::pair<std::string, int>;

/// Looks at the queues all the time.
class depth_watch {
 public:
  explicit depth_watch(std::uint16_t port)
      : thread_([this, port] {
          while (!stopping_) {
            look(port);
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
          }
        }) {}
  ~depth_watch() {
    stopping_ = true;
    thread_.join();
  }
  depth_watch(const depth_watch&) = delete;
  depth_watch& operator=(const depth_watch&) = delete;

  /// So far.
  std::int64_t deepest() const { return deepest_; }

 private:
  void look(std::uint16_t port) {
    try {
      deepest_ = std::max(deepest_.load(), numbers_at(port).depth_max);
    } catch (const std::exception&) {
      // it is busy looking for the engine
    }
  }

  std::atomic<bool> stopping_ = false;
  std::atomic<std::int64_t> deepest_ = 0;
  std::thread thread_;
};

/// Counts the claims of each message where they are stored: their numbers tell nothing.
class claim_count {
 public:
  /// Once the table is there, and before anything is claimed.
  explicit claim_count(const std::string& url) : session_(url) {
    session_.execute("CREATE TABLE counted_claim (message uuid)");
    session_.execute("CREATE INDEX ON counted_claim (message)");
    session_.execute(
        "CREATE FUNCTION count_claim() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO counted_claim VALUES (NEW.id); RETURN NULL; END'");
    session_.execute(
        "CREATE TRIGGER count_claim AFTER UPDATE ON amc_message FOR EACH ROW "
        "WHEN (NEW.claim IS DISTINCT FROM OLD.claim) EXECUTE FUNCTION count_claim()");
    session_.execute(
        "CREATE TRIGGER count_first_claim AFTER INSERT ON amc_message FOR EACH ROW "
        "WHEN (NEW.claim <> 0) EXECUTE FUNCTION count_claim()");
  }

  int of(const std::string& id) {
    return std::stoi(session_.value("SELECT count(*) FROM counted_claim WHERE message = '" + id + "'"));
  }

 private:
  tests::postgresql_session session_;
};

/// How often each (id, revision) was handled, by what the services have logged.
std::map<revision_name, int> handled_in(const cluster& system) {
  std::map<revision_name, int> runs;
  for (const auto& each : system.members) {
    if (each.is_broker()) continue;
    const auto log = each.process->errors();
    for (auto at = log.find("Received \""); at != std::string::npos; at = log.find("Received \"", at + 1)) {
      const auto id = log.find(" id=", at) + 4;
      const auto revision = log.find(" revision=", id) + 10;
      ++runs[{log.substr(id, log.find(' ', id) - id), std::stoi(log.substr(revision, 9))}];
    }
  }
  return runs;
}

/// A handler runs once for each revision. It may run again only if its lease ran out, which each further claim tells.
void check_runs(const cluster& system, const std::vector<row>& rows, claim_count& claimed) {
  const auto runs = handled_in(system);
  constexpr int revisions = 2;  // one for each service
  int again = 0, leases_over = 0;
  for (const auto& m : rows) {
    int of_message = 0;
    for (int revision = 1; revision <= revisions; ++revision) {
      const auto found = runs.find({m.id, revision});
      if (found == runs.end()) throw violation("no service has handled " + m.id + "/" + std::to_string(revision));
      of_message += found->second;
    }
    again += of_message - revisions;
    const auto claims = claimed.of(m.id);
    leases_over += claims - revisions;
    if (of_message > claims) throw violation(m.id + " was handled more often than it was claimed");
  }
  std::cout << "handled " << runs.size() << " revisions, again after a lease was over " << again << "; leases over "
            << leases_over << std::endl;
  constexpr int share = 100;
  if (leases_over > static_cast<int>(rows.size()) / share) throw violation("leases run out where nobody is away");
}

std::vector<std::string> short_queues() {
  return {"broker.lease_ms=" + std::to_string(lease_ms), "broker.ring_again_ms=500", "broker.sweep_interval_ms=50",
          "broker.queue_depth_max=" + std::to_string(depth_max), "log.level=debug"};
}

void check_depth(const depth_watch& watch) {
  std::cout << "deepest queue " << watch.deepest() << " of at most " << depth_max << std::endl;
  if (watch.deepest() > depth_max * 12 / 10) throw violation("a queue was too deep");
}

void wait_for_depth(const depth_watch& watch) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (watch.deepest() < depth_max * 9 / 10) {
    if (std::chrono::steady_clock::now() > deadline) throw violation("a backlog leaves its queue empty");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

/// Posts all, the second half of it while the engine is away for more than ten leases.
void post_without_services(cluster& system, load& all, int messages) {
  auto& engine = system.engines.front()->server;
  while (all.accepted() < messages / 2) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  engine.kill();
  const auto killed = std::chrono::steady_clock::now();
  all.wait();
  std::this_thread::sleep_until(killed + std::chrono::milliseconds(lease_ms * 11));
  engine.start();
}

void run(cluster& system, int messages) {
  system.start_brokers();
  system.wait_for_brokers();
  const auto port = system.ports().front();
  claim_count claimed(system.postgresql->address());
  const depth_watch watch(port);
  // A RabbitMQ that is killed right after it has made a quorum queue never serves that queue again.
  std::this_thread::sleep_for(std::chrono::seconds(3));
  constexpr int clients = 8;
  load all({.ports = {port},
            .name = "b",
            .clients = clients,
            .pause_max_ms = 0,
            .posts_max = messages / clients,
            .waiting_percent = 0});
  post_without_services(system, all, messages);
  std::cout << "posted " << all.accepted() << std::endl;
  wait_for_depth(watch);
  system.start_services();
  wait_until_finished(port, std::chrono::seconds(60));
  check_depth(watch);
  const auto rows = every_message_at(port);
  const auto wrong = check(all.journal(), rows);
  if (!wrong.empty()) throw violation(wrong.front());
  check_runs(system, rows, claimed);
}

}  // namespace

void backlog(int messages) {
  std::cout << "== a backlog of " << messages << " messages" << std::endl;
  cluster system({.engines = {"rabbitmq"}, .brokers = 1, .services_a = 2, .services_b = 2, .sets = short_queues()});
  try {
    run(system, messages);
  } catch (const std::exception&) {
    std::cerr << "logs are in " << system.save_logs() << std::endl;
    throw;
  }
}

}  // namespace amc::chaos
