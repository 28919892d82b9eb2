#pragma once

#include <map>
#include <random>
#include <string>

#include "tests/chaos/cluster.hpp"

namespace amc::chaos {

/// Disturbs a system, one thing after another, and mends each before the next. The seed decides what, in which order
/// and for how long: a deck of all disturbances is shuffled and played, again and again.
class agent {
 public:
  agent(cluster& system, std::uint64_t seed);

  /// For so long, and in each way at least once.
  void disturb(std::chrono::seconds longest);

  /// How often each has been done.
  const std::map<std::string, int>& counts() const { return counts_; }

 private:
  struct card {
    const char* name;
    void (agent::*play)();
  };
  static const card deck[];

  void kill_process();
  void kill_everything();
  void stop_process();
  void pause_process();
  void kill_store();
  void restart_store();
  void freeze_store();
  void kill_engine();
  void restart_engine();
  void freeze_engine();
  void delete_queues();
  void cut_store_connections();
  void cut_engine_connections();
  void move_to_embedded();
  void move_to_other();
  void move_from_dead_engine();

  /// RabbitMQ 3.10 never serves a quorum queue again when it is killed within a second or so of making it: nothing is
  /// confirmed any more until somebody deletes the queue.
  void wait_until_queues_are_kept();

  bool can_play(const card& which) const;
  void play(const card& which);
  void move_to(std::size_t target);
  void freeze(const tests::test_server& server);
  void cut(tests::tcp_proxy& proxy);
  cluster::member& anyone();
  bool on_a_server() const { return system_.home() != cluster::embedded; }
  tests::test_server& engine() { return system_.engines[system_.home()]->server; }
  int any(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }
  void pause(int from_ms, int to_ms);
  void tell(const std::string& what);

  cluster& system_;
  std::mt19937_64 random_;
  std::map<std::string, int> counts_;
  std::chrono::steady_clock::time_point queues_made_ = std::chrono::steady_clock::now();
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

}  // namespace amc::chaos
