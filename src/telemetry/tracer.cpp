#include "telemetry/tracer.hpp"

#include <algorithm>
#include <cmath>

namespace amc::telemetry {

tracer::tracer(std::shared_ptr<span_buffer> to, std::string service, double sample_ratio, tracer_environment around)
    : to_(std::move(to)),
      service_(std::make_shared<const std::string>(std::move(service))),
      sample_ratio_(sample_ratio),
      around_(std::move(around)) {}

std::optional<span> tracer::begin(std::string_view traceparent, operation what) const {
  const auto parent = parse_traceparent(traceparent);
  if (!parent || !parent->sampled()) return {};
  return begun(*parent, what);
}

std::optional<span> tracer::begin_or_invent(std::string_view traceparent, operation what) const {
  if (!traceparent.empty() || sample_ratio_ <= 0) return begin(traceparent, what);
  // 53 bits are what a double has: below 1, whatever they are.
  const double drawn = std::ldexp(static_cast<double>(around_.random() >> 11), -53);
  if (drawn >= sample_ratio_) return {};
  return begun({.trace_high = new_id(), .trace_low = new_id(), .span = 0, .flags = 1}, what);
}

void tracer::end(span done) const {
  if (done.ended == 0) done.ended = now();
  // The clock may have been set back.
  done.ended = std::max(done.ended, done.begun);
  to_->add(std::move(done));
}

span tracer::begun(const trace_context& parent, operation what) const {
  span one;
  one.context = parent;
  one.context.span = new_id();
  one.parent = parent.span;
  one.operation = what;
  one.begun = now();
  one.service = service_;
  return one;
}

std::uint64_t tracer::new_id() const {
  for (;;)
    if (const auto id = around_.random(); id != 0) return id;
}

}  // namespace amc::telemetry
