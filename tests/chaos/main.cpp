#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <random>

#include "tests/chaos/api.hpp"
#include "tests/chaos/parts.hpp"
#include "tests/chaos/server_cluster.hpp"

int main(int count, char** words) {
  using namespace amc::chaos;
  CLI::App app(
      "Real processes and real servers, disturbed under load; exits with 1 when anything is lost or doubled, with 2 "
      "when it cannot go on.");
  int seconds = 0, disk_rounds = 0, messages = 0;
  std::size_t disturbances = 0;
  std::string cluster;
  std::uint64_t seed = std::random_device{}();
  app.add_option("--seconds", seconds, "disturb a cluster for so long, and at least once in every way");
  app.add_option("--disk-rounds", disk_rounds, "fill up a small disk so often");
  app.add_option("--backlog", messages, "let so many messages wait for services");
  app.add_option("--cluster", cluster, "disturb a cluster of servers: rabbitmq, nats, kafka or postgresql");
  app.add_option("--disturbances", disturbances, "of a cluster, only so many; 0: every one, to every member");
  app.add_option("--seed", seed, "decides what happens, and when")->capture_default_str();
  std::vector<std::string> engines{"rabbitmq", "rabbitmq"};
  app.add_option("--engines", engines, "disturb, and move between, servers of these two queue engines")
      ->expected(2)
      ->delimiter(',')
      ->capture_default_str();
  CLI11_PARSE(app, count, words);
  std::signal(SIGPIPE, SIG_IGN);  // who has ended cannot be told anything, and nobody may read what this prints
  keep_mounts_private();
  const bool apart = !cluster.empty() && have_own_network();
  try {
    if (messages > 0) backlog(messages);
    if (disk_rounds > 0) small_disk(disk_rounds, seed);
    if (!cluster.empty()) clustered(cluster, disturbances, apart, seed);
    if (seconds > 0) disturbed_cluster(std::chrono::seconds(seconds), seed, engines);
  } catch (const violation& failed) {
    std::cerr << "VIOLATION with --seed " << seed << ": " << failed.what() << std::endl;
    return 1;
  } catch (const std::exception& failed) {
    // A server that does not come up says nothing about messages.
    std::cerr << "broken off, with --seed " << seed << ": " << failed.what() << std::endl;
    return 2;
  }
  std::cout << "nothing lost, nothing doubled" << std::endl;
  return 0;
}
