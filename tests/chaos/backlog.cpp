#include <algorithm>
#include <iostream>
#include <map>

#include "tests/chaos/api.hpp"
#include "tests/chaos/cluster.hpp"
#include "tests/chaos/load.hpp"
#include "tests/chaos/parts.hpp"

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
            const auto depth = numbers_at(port).depth_max;
            if (depth > deepest_) deepest_ = depth;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
          }
        }) {}
  ~depth_watch() {
    stopping_ = true;
    thread_.join();
  }
  depth_watch(const depth_watch&) = delete;
  depth_watch& operator=(const depth_watch&) = delete;

  std::int64_t deepest() const { return deepest_; }

 private:
  std::atomic<bool> stopping_ = false;
  std::atomic<std::int64_t> deepest_ = 0;
  std::thread thread_;
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
void check_runs(const cluster& system, const std::vector<row>& rows) {
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
    leases_over += static_cast<int>(m.claims) - revisions;
    if (of_message > m.claims) throw violation(m.id + " was handled more often than it was claimed");
  }
  std::cout << "handled " << runs.size() << " revisions, again after a lease was over " << again << "; leases over "
            << leases_over << std::endl;
  constexpr int share = 100;
  if (leases_over > static_cast<int>(rows.size()) / share) throw violation("leases run out where nobody is away");
}

void check_depth(const depth_watch& watch) {
  std::cout << "deepest queue " << watch.deepest() << " of at most " << depth_max << std::endl;
  if (watch.deepest() > depth_max * 12 / 10) throw violation("a queue was too deep");
  if (watch.deepest() < depth_max / 2) throw violation("a backlog left its queue empty");
}

}  // namespace

void backlog(int messages) {
  std::cout << "== a backlog of " << messages << " messages" << std::endl;
  cluster system({.rabbitmq_servers = 1,
                  .brokers = 1,
                  .services_a = 2,
                  .services_b = 2,
                  .sets = {"broker.lease_ms=" + std::to_string(lease_ms), "broker.ring_again_ms=500",
                           "broker.sweep_interval_ms=50", "broker.queue_depth_max=" + std::to_string(depth_max),
                           "log.level=debug"}});
  system.start_brokers();
  system.wait_for_brokers();
  const auto port = system.ports().front();
  const depth_watch watch(port);
  const auto begun = std::chrono::steady_clock::now();
  constexpr int clients = 8;
  load all({.ports = {port}, .name = "b", .clients = clients, .pause_max_ms = 0, .posts_max = messages / clients});
  all.wait();
  std::cout << "posted " << all.accepted() << std::endl;
  std::this_thread::sleep_until(begun + std::chrono::milliseconds(lease_ms * 11));
  check_depth(watch);
  system.start_services();
  wait_until_finished(port, std::chrono::seconds(60));
  check_depth(watch);
  const auto rows = every_message_at(port);
  const auto wrong = check(all.journal(), rows);
  if (!wrong.empty()) throw violation(wrong.front());
  check_runs(system, rows);
}

}  // namespace amc::chaos
