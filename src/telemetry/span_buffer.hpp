#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "core/metrics.hpp"
#include "telemetry/span.hpp"

namespace amc::telemetry {

struct span_buffer_options {
  std::size_t max_spans = 0;
  std::size_t max_bytes = 0;    ///< of spans as they are kept
  std::size_t batch_spans = 0;  ///< whoever sends is woken when there are so many
};

/// Where spans wait until they are sent. One that finds no room is dropped, and counted. From any thread.
class span_buffer {
 public:
  span_buffer(amc::metrics& numbers, span_buffer_options options);

  /// `wake` is called on the thread of whoever adds, once there is a batch; null: nobody is.
  void wakes(std::function<void()> wake);
  void add(span one);
  /// The oldest, at most a batch. They take their room until `settled`. For one who takes at a time.
  std::vector<span> take();
  void settled();
  bool empty() const;

 private:
  const span_buffer_options options_;
  prometheus::Counter& dropped_;
  mutable std::mutex mutex_;  ///< guards what follows
  std::deque<span> waiting_;
  std::size_t taken_ = 0;
  std::size_t bytes_ = 0, taken_bytes_ = 0;
  std::function<void()> wake_;
};

/// amc_spans_dropped_total: "buffer_full", "refused", "not_taken", "exit".
prometheus::Counter& dropped_spans(amc::metrics& numbers, const std::string& reason);

}  // namespace amc::telemetry
