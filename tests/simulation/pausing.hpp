#pragma once

#include "tests/simulation/cluster.hpp"
#include "tests/simulation/random.hpp"

namespace amc::simulation {

/// Pauses queues, one after another, each through one broker and for a while, and resumes them, through another.
class pausing {
 public:
  pausing(const surroundings& around, cluster& nodes);

  void begin();
  /// Nothing is paused any more, and nothing will be.
  bool over() const;

 private:
  void tick();
  void ask(const std::string& queue, const char* what);

  surroundings around_;
  cluster& nodes_;
  random_stream random_;
  int left_;
  milliseconds next_{};  ///< when something is paused, or resumed
};

}  // namespace amc::simulation
