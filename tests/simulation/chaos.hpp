#pragma once

#include "tests/simulation/cluster.hpp"

namespace amc::simulation {

/// Lets go wrong what the scenario says: kills, pauses, absences and jumps, at random times until the faults end. What
/// goes wrong within a call is drawn where the call is.
class chaos {
 public:
  chaos(const surroundings& around, cluster& nodes) : around_(around), nodes_(nodes) {}
  void begin() { tick(); }

 private:
  void tick();
  void strike_processes();
  void strike_network();
  void strike_store();
  void strike_queues();
  void take_services_away();
  milliseconds some_time(fault kind, std::int64_t least_ms, std::int64_t most_ms);

  surroundings around_;
  cluster& nodes_;
};

}  // namespace amc::simulation
