#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "telemetry/span.hpp"
#include "telemetry/span_buffer.hpp"

namespace amc::telemetry {

/// What a tracer needs of its surroundings. Each from any thread.
struct tracer_environment {
  std::function<unix_nanoseconds()> now = system_nanoseconds;
  std::function<std::uint64_t()> random{};
};

/// Begins and ends spans, for one `service.name`. Whoever has none (a null pointer) traces nothing, at no cost. From
/// any thread.
class tracer {
 public:
  /// `sample_ratio`: of the conversations that come without a trace, so many get one. 0 to 1.
  tracer(std::shared_ptr<span_buffer> to, std::string service, double sample_ratio, tracer_environment around);

  unix_nanoseconds now() const { return around_.now(); }

  /// Begins now, as a child of what the traceparent names. Nothing where that is none, or nobody records its trace.
  std::optional<span> begin(std::string_view traceparent, operation what) const;
  /// As `begin`; without a traceparent it may also begin a trace, as the ratio says. What is there and is not to be
  /// recorded begins none.
  std::optional<span> begin_or_invent(std::string_view traceparent, operation what) const;
  /// Has ended, now where it does not say when.
  void end(span done) const;

 private:
  span begun(const trace_context& parent, operation what) const;
  std::uint64_t new_id() const;

  std::shared_ptr<span_buffer> to_;
  std::shared_ptr<const std::string> service_;
  double sample_ratio_;
  tracer_environment around_;
};

}  // namespace amc::telemetry
