#pragma once

#include <unordered_set>

#include "queue_system/platform.hpp"
#include "tests/benchmarks/probes/probe.hpp"

namespace amc::benchmarks {

/// Events that a subscriber has on its way at once, raw or through the seam: more than one batch, so that the next is
/// there when one has been acknowledged.
constexpr std::size_t prefetch = 512;

/// Events on their way through a queue: each must come, in the order of its publishing. An acknowledgement is not
/// confirmed, so the last ones of a connection may be lost with it: events of an earlier round may come once more.
class expected_events {
 public:
  void publish(std::vector<std::string> events);
  void arrive(const std::string& event);
  bool all_here() const { return next_ == events_.size(); }
  const std::vector<std::string>& events() const { return events_; }

 private:
  std::vector<std::string> events_;
  std::size_t next_ = 0;
  std::unordered_set<std::string> earlier_;
};

/// Publishes and receives through the platform seam.
class platform_driver {
 public:
  platform_driver(std::shared_ptr<platform> engine, std::string queue, amount work);

  double publish();
  /// Receives and acknowledges what was published last.
  double receive();

 private:
  void take(queue_subscriber& from, std::size_t max, milliseconds longest);

  std::shared_ptr<platform> engine_;
  std::string queue_;
  amount work_;
  std::unique_ptr<queue_publisher> publisher_;
  expected_events expected_;
};

}  // namespace amc::benchmarks
