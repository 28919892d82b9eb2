#pragma once

#include <map>
#include <string>

#include "core/metrics.hpp"

namespace amc::broker {

/// What Prometheus is told of each queue, and of each service that receives from it: no more labels than queues and
/// services are told apart, whatever comes and goes. For one thread at a time.
class queue_numbers {
 public:
  queue_numbers(metrics& all, std::size_t queues_max, std::size_t services_max);

  void arrived(const std::string& queue) { of(queue).arrivals->Increment(); }
  void waited(const std::string& queue, double time_s) { of(queue).wait->Observe(time_s); }
  void processed(const std::string& queue, double time_s) { of(queue).processing->Observe(time_s); }
  void outcome(const std::string& queue, const std::string& service, bool has_failed);

 private:
  struct outcomes_of_service {
    prometheus::Counter *answered = nullptr, *failed = nullptr;
  };
  struct labelled_queue {
    std::string name;
    prometheus::Counter* arrivals = nullptr;
    prometheus::Histogram *wait = nullptr, *processing = nullptr;
    std::map<std::string, outcomes_of_service, std::less<>> outcomes{};
  };
  labelled_queue& of(const std::string& queue);

  std::size_t queues_max_, services_max_;
  metrics::counters& arrivals_;
  metrics::counters& outcomes_;
  metrics::histograms& waits_;
  metrics::histograms& processing_;
  std::map<std::string, labelled_queue, std::less<>> queues_;
};

}  // namespace amc::broker
