#include "telemetry/span.hpp"

#include <array>
#include <chrono>

#include "core/hex.hpp"

namespace amc::telemetry {
namespace {

std::uint64_t number_of(std::string_view digits) {
  std::uint64_t number = 0;
  for (const char c : digits) number = number << 4 | static_cast<std::uint64_t>(hex_digit(c));
  return number;
}

void append_digits(std::string& to, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) append_hex(to, static_cast<unsigned char>(number >> shift));
}

constexpr std::array<const char*, 6> names{"send", "wait", "receive", "process", "answer", "fail"};

}  // namespace

unix_nanoseconds system_nanoseconds() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
}

std::optional<trace_context> parse_traceparent(std::string_view text) {
  if (!is_traceparent(text) || text.starts_with("ff")) return {};
  trace_context read;
  read.trace_high = number_of(text.substr(3, 16));
  read.trace_low = number_of(text.substr(19, 16));
  read.span = number_of(text.substr(36, 16));
  read.flags = static_cast<std::uint8_t>(number_of(text.substr(53, 2)));
  if ((read.trace_high == 0 && read.trace_low == 0) || read.span == 0) return {};
  return read;
}

std::string to_traceparent(const trace_context& context) {
  std::string text = "00-" + trace_digits(context) + "-" + span_digits(context.span) + "-";
  append_hex(text, context.flags);
  return text;
}

std::string trace_digits(const trace_context& of) {
  std::string digits;
  append_digits(digits, of.trace_high);
  append_digits(digits, of.trace_low);
  return digits;
}

std::string span_digits(std::uint64_t span) {
  std::string digits;
  append_digits(digits, span);
  return digits;
}

const char* to_string(operation what) {
  return names.at(static_cast<std::size_t>(what));
}

}  // namespace amc::telemetry
