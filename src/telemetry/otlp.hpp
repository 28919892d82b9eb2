#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "telemetry/span.hpp"

namespace amc::telemetry {

/// The version of OpenTelemetry's semantic conventions whose names the attributes have.
constexpr std::string_view schema_url = "https://opentelemetry.io/schemas/1.44.0";

/// An ExportTraceServiceRequest in OTLP's JSON encoding. `host` is the machine that the spans are of; empty: not told.
std::string otlp_json(const std::vector<span>& spans, const std::string& host);

/// Of an ExportTraceServiceResponse: how many of the spans were rejected, and why. 0 where nothing can be read.
struct rejection {
  std::size_t spans = 0;
  std::string why{};
};
rejection rejected_by(std::string_view response);

}  // namespace amc::telemetry
