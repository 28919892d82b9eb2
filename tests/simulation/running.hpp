#pragma once

#include <memory>

#include "tests/simulation/journal.hpp"
#include "tests/simulation/process.hpp"
#include "tests/simulation/seams.hpp"
#include "tests/simulation/simulated_network.hpp"
#include "tests/simulation/simulated_queues.hpp"
#include "tests/simulation/simulated_store.hpp"

namespace amc::simulation {

/// What all processes of a run share.
struct surroundings {
  world& in;
  database& store;
  engine& queues;
  engine& next_queues;  ///< of the engine that the system moves to
  network& net;
  journal& told;
  const seams& planted;
};

/// What runs in a process, built of the production classes.
class running {
 public:
  virtual ~running() = default;
  /// What SIGTERM does. Afterwards it may be destroyed.
  virtual task<void> stop() = 0;
};

std::unique_ptr<running> run_broker(const surroundings& around, process& by);

/// `letter` is the queue that it takes messages from.
std::unique_ptr<running> run_service(const surroundings& around, process& by, char letter, bool on_the_store);

/// The broker and all services in one process, as `amc all`.
std::unique_ptr<running> run_together(const surroundings& around, process& by);

/// Whether anybody hears the engine. Where all receive from a broker in their own process nobody does, and nothing is
/// rung.
bool is_heard(const scenario& plan);

/// Where the brokers are, for clients.
std::vector<std::string> broker_addresses(const scenario& plan);

/// The processes that sweep.
std::vector<std::string> sweepers(const scenario& plan);

}  // namespace amc::simulation
