#pragma once

#include "message_store/store.hpp"
#include "tests/benchmarks/probes/probe.hpp"

namespace amc::benchmarks {

/// New messages and answers to them through the store seam, a batch at a time, on as many threads as the store has
/// drivers.
class store_driver {
 public:
  store_driver(opened_store opened, amount work);

  double insert();
  /// Answers what was inserted last: a guarded change of each row, synced.
  double update();

 private:
  /// Runs `batch_of` over the ids, and requires that every change is applied.
  double apply(const std::function<change(const uuid&)>& change_of);

  opened_store opened_;
  amount work_;
  std::vector<uuid> ids_;
};

/// Calls `work(lane, part)` on a thread for each of `lanes` with its share of the ids. An exception of one is thrown.
void on_threads(std::size_t lanes, std::span<const uuid> ids,
                const std::function<void(std::size_t lane, std::span<const uuid> part)>& work);

/// Calls `run` with a batch at a time.
void in_batches(std::span<const uuid> ids, std::size_t batch, const std::function<void(std::span<const uuid>)>& run);

}  // namespace amc::benchmarks
