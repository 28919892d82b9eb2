#pragma once

#include "amc/platform.hpp"
#include "tests/benchmarks/probes/probe.hpp"

namespace amc::benchmarks {

/// Events that a subscriber has on its way at once, raw or through the seam: more than one batch, so that the next is
/// there when one has been acknowledged.
constexpr std::size_t prefetch = 512;

/// Publishes and receives through the platform seam.
class platform_driver {
 public:
  platform_driver(std::shared_ptr<platform> engine, std::string queue, amount work);

  double publish();
  /// Receives and acknowledges what was published last.
  double receive();

 private:
  std::shared_ptr<platform> engine_;
  std::string queue_;
  amount work_;
  std::unique_ptr<queue_publisher> publisher_;
  std::vector<std::string> events_;
};

}  // namespace amc::benchmarks
