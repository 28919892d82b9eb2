#include "core/metrics.hpp"

#include <prometheus/text_serializer.h>

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

std::string metrics::text() const {
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace amc
