#include "tests/chaos/agent.hpp"

#include <algorithm>
#include <csignal>
#include <iomanip>
#include <iostream>
#include <thread>

namespace amc::chaos {

const agent::card agent::deck[] = {
    {"process killed", &agent::kill_process},
    {"process killed", &agent::kill_process},
    {"process killed", &agent::kill_process},
    {"everything killed", &agent::kill_everything},
    {"process stopped", &agent::stop_process},
    {"process paused", &agent::pause_process},
    {"process paused", &agent::pause_process},
    {"store killed", &agent::kill_store},
    {"store restarted", &agent::restart_store},
    {"store frozen", &agent::freeze_store},
    {"engine killed", &agent::kill_engine},
    {"engine restarted", &agent::restart_engine},
    {"engine frozen", &agent::freeze_engine},
    {"queues deleted", &agent::delete_queues},
    {"store connections cut", &agent::cut_store_connections},
    {"engine connections cut", &agent::cut_engine_connections},
    {"moved to another engine, emptied", &agent::move_to_other},
    {"moved to the embedded engine", &agent::move_to_embedded},
    {"moved from a dead engine", &agent::move_from_dead_engine},
};

agent::agent(cluster& system, std::uint64_t seed) : system_(system), random_(seed) {}

void agent::disturb(std::chrono::seconds longest) {
  const auto over = [&] { return std::chrono::steady_clock::now() - begun_ >= longest; };
  std::vector<card> cards(std::begin(deck), std::end(deck)), later;
  for (bool first = true; first || !over(); first = false) {
    std::shuffle(cards.begin(), cards.end(), random_);
    later.clear();
    for (const auto& next : cards) {
      if (!first && over()) return;
      if (can_play(next))
        play(next);
      else
        later.push_back(next);
    }
    for (const auto& next : later) {
      if (!can_play(next)) move_to_other();  // also after one of these has moved everything away
      play(next);
    }
  }
}

/// What concerns an engine's server means nothing while everything is on the embedded engine.
bool agent::can_play(const card& which) const {
  const std::string name = which.name;
  return on_a_server() || (name.find("engine") == std::string::npos && name != "queues deleted");
}

void agent::play(const card& which) {
  ++counts_[which.name];
  (this->*which.play)();
  pause(100, 800);
  system_.expect_all_run();
}

void agent::tell(const std::string& what) {
  const auto since = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  std::cout << std::fixed << std::setprecision(1) << std::setw(7) << since << " s  " << what << std::endl;
}

void agent::pause(int from_ms, int to_ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(any(from_ms, to_ms)));
}

cluster::member& agent::anyone() {
  for (;;) {
    auto& which = system_.members[static_cast<std::size_t>(any(0, static_cast<int>(system_.members.size()) - 1))];
    if (which.process) return which;
  }
}

void agent::kill_process() {
  auto& which = anyone();
  tell("SIGKILL to " + which.name);
  system_.end(which, SIGKILL);
  pause(0, 1'500);
  system_.start(which);
}

void agent::kill_everything() {
  tell("SIGKILL to all");
  for (auto& each : system_.members) system_.end(each, SIGKILL);
  for (auto& each : system_.members) system_.start(each);
}

void agent::stop_process() {
  auto& which = anyone();
  tell("SIGTERM to " + which.name);
  system_.end(which, SIGTERM);
  system_.start(which);
}

/// For longer than a lease: somebody else has its messages by then.
void agent::pause_process() {
  const auto& which = anyone();
  tell("SIGSTOP to " + which.name);
  which.process->signal(SIGSTOP);
  pause(1'200, 3'000);
  which.process->signal(SIGCONT);
}

void agent::kill_store() {
  tell("the store is killed");
  system_.postgresql->server.kill();
  pause(0, 1'500);
  system_.postgresql->server.start();
}

void agent::restart_store() {
  tell("the store stops");
  system_.postgresql->server.stop();
  system_.postgresql->server.start();
}

void agent::freeze_store() {
  tell("the store is frozen");
  freeze(system_.postgresql->server);
}

void agent::wait_until_queues_are_kept() {
  std::this_thread::sleep_until(queues_made_ + std::chrono::seconds(4));
}

void agent::kill_engine() {
  wait_until_queues_are_kept();
  tell("the engine is killed");
  engine().kill();
  pause(0, 1'500);
  engine().start();
}

void agent::restart_engine() {
  tell("the engine stops");
  engine().stop();
  engine().start();
}

void agent::freeze_engine() {
  tell("the engine is frozen");
  freeze(engine());
}

void agent::freeze(const tests::test_server& server) {
  server.freeze();
  pause(500, 3'000);
  server.thaw();
}

void agent::delete_queues() {
  tell("the queues are deleted");
  system_.wipe(system_.home());
  queues_made_ = std::chrono::steady_clock::now();
}

void agent::cut_store_connections() {
  tell("connections to the store are cut");
  cut(system_.postgresql->proxy);
}

void agent::cut_engine_connections() {
  tell("connections to the engine are cut");
  cut(system_.engines[system_.home()]->proxy);
}

void agent::cut(tests::tcp_proxy& proxy) {
  proxy.cut_replies_within(static_cast<std::size_t>(any(100, 20'000)));
  pause(300, 1'500);
  proxy.cut_replies_within(0);
}

void agent::move_to_embedded() {
  tell("all move to the embedded engine");
  move_to(cluster::embedded);
}

/// To the other, or to any of them; it is empty.
void agent::move_to_other() {
  const auto target = on_a_server() ? 1 - system_.home() : static_cast<std::size_t>(any(0, 1));
  tell("all move to " + system_.engines[target]->name + " " + std::to_string(target + 1) + ", emptied");
  system_.wipe(target);
  move_to(target);
}

void agent::move_from_dead_engine() {
  const auto left = system_.home();
  wait_until_queues_are_kept();
  tell("the engine is killed, and all move to the other");
  engine().kill();
  move_to(1 - left);
  system_.engines[left]->server.start();
}

/// One process after another: for a while some work here and some there.
void agent::move_to(std::size_t target) {
  system_.set_home(target);
  std::vector<cluster::member*> all;
  for (auto& each : system_.members) all.push_back(&each);
  std::shuffle(all.begin(), all.end(), random_);
  for (auto* each : all) {
    system_.end(*each, any(0, 1) == 0 ? SIGTERM : SIGKILL);
    system_.start(*each);
    pause(0, 300);
  }
  queues_made_ = std::chrono::steady_clock::now();
}

}  // namespace amc::chaos
