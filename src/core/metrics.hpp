#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>

namespace amc {

/// The numbers of one process, for Prometheus. Thread-safe. Asking for a family again gives the same one; adding the
/// same labels to it gives the same number. No label names a message.
class metrics {
 public:
  using counters = prometheus::Family<prometheus::Counter>;
  using gauges = prometheus::Family<prometheus::Gauge>;
  using histograms = prometheus::Family<prometheus::Histogram>;

  counters& counter(const std::string& name, const std::string& help);
  gauges& gauge(const std::string& name, const std::string& help);
  histograms& histogram(const std::string& name, const std::string& help);

  /// For times in seconds, from half a millisecond to some minutes.
  static const prometheus::Histogram::BucketBoundaries& seconds();
  /// For counts that double.
  static const prometheus::Histogram::BucketBoundaries& sizes();

  /// Prometheus text (exposition format 0.0.4).
  std::string text() const;
  static constexpr const char* content_type = "text/plain; version=0.0.4; charset=utf-8";

 private:
  prometheus::Registry registry_{prometheus::Registry::InsertBehavior::Merge};
};

/// The numbers of a family, by what their owner calls them: finding one by its labels costs more than most of what is
/// counted. For one thread.
template <class Name, class Number>
class numbers_by {
 public:
  /// `make` adds it to its family.
  template <class Make>
  Number& get(const Name& name, const Make& make) {
    auto& number = known_[name];
    if (!number) number = &make();
    return *number;
  }

 private:
  std::map<Name, Number*> known_;
};

}  // namespace amc
