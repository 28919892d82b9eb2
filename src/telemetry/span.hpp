#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/message.hpp"

namespace amc::telemetry {

/// Nanoseconds since 1970, of this machine's clock.
using unix_nanoseconds = std::int64_t;
unix_nanoseconds system_nanoseconds();

/// What a `traceparent` of the W3C names: a span of a trace, and whether anybody records it.
struct trace_context {
  std::uint64_t trace_high = 0, trace_low = 0;
  std::uint64_t span = 0;
  std::uint8_t flags = 0;

  bool sampled() const { return (flags & 1) != 0; }
};

/// Nothing for any text that has not the form of version 00, of the version that there will never be (ff), and where
/// the trace or the span is 0.
std::optional<trace_context> parse_traceparent(std::string_view text);
std::string to_traceparent(const trace_context& context);
/// 32 and 16 digits.
std::string trace_digits(const trace_context& of);
std::string span_digits(std::uint64_t span);

/// What was done to a message.
enum class operation {
  send,     ///< posted and stored
  wait,     ///< stored, until it is claimed
  receive,  ///< claimed for whoever asked
  process,  ///< in the handler of a service
  answer,   ///< the answer is stored
  fail,     ///< the failure is stored
};
const char* to_string(operation what);

/// One piece of a trace. What is empty or 0 is not told.
struct span {
  trace_context context{};  ///< its own
  std::uint64_t parent = 0;
  telemetry::operation operation{};
  unix_nanoseconds begun = 0, ended = 0;
  std::shared_ptr<const std::string> service{};  ///< whose it is: `service.name`
  std::string tracestate{};
  uuid message{};
  int revision = 0;
  std::int64_t claim = 0;
  int attempt = 0;
  std::string queue{};
  std::string next_queue{};  ///< where an answer goes on to
  std::string holder{};      ///< who has the claim
  std::string error_type{};  ///< empty: it went well
  std::string error{};       ///< for people

  std::size_t bytes() const {
    return sizeof(span) + tracestate.size() + queue.size() + next_queue.size() + holder.size() + error_type.size() +
           error.size();
  }
};

}  // namespace amc::telemetry
