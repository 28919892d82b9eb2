#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/running.hpp"

namespace amc::simulation {

/// A place where one process after another runs: started, killed, stopped, paused, started again.
class node {
 public:
  using program = std::function<std::unique_ptr<running>(process&)>;
  node(const surroundings& around, std::string name, program runs);
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  const std::string& name() const { return name_; }
  bool up() const { return process_ != nullptr; }
  /// The process that runs now; null while there is none.
  const std::shared_ptr<process>& current() const { return process_; }

  void start();
  /// It comes back after a while.
  void kill(milliseconds away);
  void stop(milliseconds away);
  void pause(milliseconds longest);
  /// For good: from here on it reaches nobody, and nobody it.
  void end();

 private:
  void bury(milliseconds away);
  task<void> end_well(milliseconds away);
  void check_hands_are_empty();
  void come_back(milliseconds after);

  surroundings around_;
  std::string name_;
  program program_;
  std::shared_ptr<process> process_;
  std::vector<std::shared_ptr<process>> gone_;  ///< what is on its way in the world may still name them
  std::unique_ptr<running> running_;
  bool stopping_ = false;
};

/// Brokers, services and requesters.
class cluster {
 public:
  explicit cluster(const surroundings& around);

  std::vector<std::unique_ptr<node>> brokers{};
  std::vector<std::unique_ptr<node>> services{};
  std::vector<std::unique_ptr<node>> requesters{};
  std::vector<node*> all{};
};

}  // namespace amc::simulation
