#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/cluster.hpp"

namespace amc::simulation {

/// What the requesters do: when they post what, how they wait for it, and where they meddle. Whoever is killed in the
/// middle of a script never learns how it ends.
class scripts {
 public:
  scripts(const surroundings& around, cluster& nodes);

  void begin();
  /// Every script has begun, and has ended or died with its process.
  bool over() const;

 private:
  struct script {
    int number = 0;
    std::string plan;
    bool ended = false;
    std::weak_ptr<process> on{};
  };

  void start(script& what);
  task<void> run(script& what, std::shared_ptr<process> on);
  task<void> converse(script& what, std::shared_ptr<process> on);
  task<void> post_and_watch(script& what, std::shared_ptr<process> on);
  task<void> watch(std::shared_ptr<http::caller> calls, process& on, std::string target, bool meddles);
  task<void> meddle(std::shared_ptr<http::caller> calls, process& on, const http::response& seen);
  std::shared_ptr<http::caller> caller(process& on) const;

  surroundings around_;
  cluster& nodes_;
  std::vector<std::unique_ptr<script>> all_;
  std::size_t begun_ = 0;
};

}  // namespace amc::simulation
