#include "message_store/row_fault.hpp"

#include <limits>

#include "core/text.hpp"

namespace amc::message_store {
namespace {

// The times that RFC 3339 can say.
constexpr std::int64_t earliest = -62'167'219'200'000, latest = 253'402'300'799'999;

[[noreturn]] void out_of_range(std::int64_t value) {
  throw row_fault("the number " + std::to_string(value) + " is out of range");
}

}  // namespace

int checked_count(std::int64_t value) {
  if (value < 0 || value > std::numeric_limits<int>::max()) out_of_range(value);
  return static_cast<int>(value);
}

bool checked_flag(std::int64_t value) {
  if (value != 0 && value != 1) out_of_range(value);
  return value == 1;
}

timestamp checked_time(std::int64_t milliseconds_since_1970) {
  if (milliseconds_since_1970 < earliest || milliseconds_since_1970 > latest) out_of_range(milliseconds_since_1970);
  return timestamp(milliseconds(milliseconds_since_1970));
}

milliseconds checked_duration(std::int64_t value) {
  if (value < 0 || value > latest) out_of_range(value);
  return milliseconds(value);
}

status checked_status(std::string_view text) {
  if (const auto known = parse_status(text)) return *known;
  throw row_fault("no such status");
}

content_form checked_form(std::string_view text) {
  if (const auto known = parse_content_form(text)) return *known;
  throw row_fault("no such form of a content");
}

std::string_view checked_text(std::string_view text) {
  if (!is_valid_utf8(text)) throw row_fault("not UTF-8");
  return text;
}

}  // namespace amc::message_store
