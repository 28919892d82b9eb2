#include <iostream>

#include "tests/chaos/agent.hpp"
#include "tests/chaos/api.hpp"
#include "tests/chaos/load.hpp"
#include "tests/chaos/parts.hpp"

namespace amc::chaos {
namespace {

/// Short times, so that what is lost comes round again soon. A service is killed so often here that a message may meet
/// that fate any number of times: that is no reason to give it up. Only a server that comes up may take as long as it
/// takes (scripts/test-server gives it 180 s): who is started meanwhile waits for it.
const std::vector<std::string> impatient{"broker.lease_ms=1000",
                                         "broker.ring_again_ms=2000",
                                         "broker.sweep_interval_ms=100",
                                         "broker.max_claims=1000",
                                         "broker.store.postgresql.answer_timeout_ms=2000",
                                         "consumer_services.broker_client.timeout_ms=1500",
                                         "consumer_services.drain_timeout_ms=3000",
                                         "broker.drain_timeout_ms=3000",
                                         "app.startup_timeout_ms=200000"};

void check_everything(const cluster& system, const load& clients) {
  auto wrong = clients.complaints();
  const auto posts = clients.journal();
  const auto rows = every_message_at(system.ports().front());
  const auto more = check(posts, rows);
  wrong.insert(wrong.end(), more.begin(), more.end());
  std::cout << "posts accepted " << clients.accepted() << ", of unknown outcome " << clients.unknown()
            << " (503 among them: " << clients.overloaded() << "), without a broker " << clients.refused()
            << "; messages checked " << rows.size() << ", violations " << wrong.size() << std::endl;
  if (wrong.empty()) return;
  std::string all;
  for (std::size_t i = 0; i < wrong.size() && i < 20; ++i) all += wrong[i] + "\n";
  throw violation(all);
}

}  // namespace

void disturbed_cluster(std::chrono::seconds longest, std::uint64_t seed, const std::vector<std::string>& engines) {
  std::cout << "== a disturbed cluster over " << engines.at(0) << " and " << engines.at(1) << ", seed " << seed
            << std::endl;
  cluster system({.seed = seed, .engines = engines, .sets = impatient});
  try {
    system.start_brokers();
    system.start_services();
    system.wait_for_brokers();
    load clients({.ports = system.ports(), .name = "c", .seed = seed});
    agent disturber(system, seed);
    disturber.disturb(longest);
    clients.stop();
    wait_until_finished(system.ports().front(), std::chrono::seconds(60));
    system.expect_all_run();
    for (const auto& [what, count] : disturber.counts()) std::cout << what << " " << count << ", ";
    std::cout << "connections cut " << system.cuts() << std::endl;
    check_everything(system, clients);
  } catch (const std::exception&) {
    std::cerr << "logs are in " << system.save_logs() << std::endl;
    throw;
  }
}

}  // namespace amc::chaos
