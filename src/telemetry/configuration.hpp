#pragma once

#include <memory>
#include <string>

#include "core/config.hpp"
#include "core/loop.hpp"
#include "telemetry/exporter.hpp"
#include "telemetry/tracer.hpp"

namespace amc::telemetry {

/// The keys of whatever traces.
config_provider provider();

/// What collects the spans of a process and sends them, on a thread of its own. Without a collector
/// (`telemetry.otlp.url`) it has none, and its tracers are null. From any thread.
class traces {
 public:
  /// Throws config_error.
  traces(const config& settings, std::shared_ptr<amc::metrics> numbers);
  /// As `stop`.
  ~traces();
  traces(const traces&) = delete;
  traces& operator=(const traces&) = delete;

  /// Spans of a service called so, unless `telemetry.service_name` says another name. Null: nothing is traced.
  std::shared_ptr<tracer> of(const std::string& service) const;

  /// Sends what is left, for at most twice `telemetry.otlp.timeout_ms`. What ends afterwards is dropped.
  void stop();

 private:
  std::string service_name_;
  double sample_ratio_ = 0;
  std::unique_ptr<loop> loop_;
  std::shared_ptr<span_buffer> buffer_;
  std::unique_ptr<exporter> exporter_;
};

}  // namespace amc::telemetry
