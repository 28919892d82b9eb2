#include "core/metrics.hpp"

#include <prometheus/text_serializer.h>

#include "core/log.hpp"

namespace amc {

metrics::counters& metrics::counter(const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_);
}

metrics::gauges& metrics::gauge(const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_);
}

metrics::histograms& metrics::histogram(const std::string& name, const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_);
}

const prometheus::Histogram::BucketBoundaries& metrics::seconds() {
  static const prometheus::Histogram::BucketBoundaries bounds{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                                              0.2,    0.5,   1,     2,     5,    10,   30,   120};
  return bounds;
}

const prometheus::Histogram::BucketBoundaries& metrics::sizes() {
  static const prometheus::Histogram::BucketBoundaries bounds{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1'024};
  return bounds;
}

namespace {

/// The log is the process's own and counts for itself.
prometheus::MetricFamily log_lines_dropped() {
  prometheus::ClientMetric number;
  number.counter.value = static_cast<double>(log::lines_dropped());
  return {"amc_log_lines_dropped_total",
          "Log lines that nobody took in time, or that could not be written",
          prometheus::MetricType::Counter,
          {std::move(number)}};
}

}  // namespace

std::string metrics::text() const {
  auto families = registry_.Collect();
  families.push_back(log_lines_dropped());
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace amc
