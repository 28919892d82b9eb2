#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/batching_worker.hpp"
#include "core/uuid_source.hpp"
#include "queue_system/platform.hpp"

namespace amc::queue_system {

/// Events into queues, asynchronously and in batches: a platform's publisher on a thread of its own. `ring` and `depth`
/// may be used from any thread's coroutines.
class publisher {
 public:
  struct ringing {
    std::string queue;
    event ready;
  };

  publisher(const environment& env, platform& engine);

  /// Returns when the engine has confirmed all of them; throws `unavailable` otherwise.
  task<void> ring(const environment& env, std::vector<ringing> events);

  /// The depth of each queue, in order.
  task<std::vector<std::size_t>> depths(const environment& env, std::vector<std::string> queues);

  /// What is left of each queue, in order, in engines that the system moves away from.
  task<std::vector<std::vector<left_events>>> left(const environment& env, std::vector<std::string> queues);

 private:
  struct left_of {
    std::vector<std::string> queues;
  };
  using job = std::variant<std::vector<ringing>, std::vector<std::string>, left_of>;
  struct outcome {
    std::vector<std::size_t> depths{};
    std::vector<std::vector<left_events>> left{};
  };

  std::vector<outcome> run(std::vector<job>& batch);

  std::unique_ptr<queue_publisher> driver_;
  std::function<timestamp()> wall_clock_;
  uuid_source event_ids_;
  metrics::counters& sent_;
  std::unique_ptr<batching_worker<job, outcome>> worker_;
};

}  // namespace amc::queue_system
