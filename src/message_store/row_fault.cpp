#include "message_store/row_fault.hpp"

#include <limits>

namespace amc::message_store {
namespace {

// The times that RFC 3339 can say.
constexpr std::int64_t earliest = -62'167'219'200'000, latest = 253'402'300'799'999;

[[noreturn]] void out_of_range(std::int64_t value) {
  throw row_fault("the number " + std::to_string(value) + " is out of range");
}

/// How many bytes follow the first of a character; -1 where none begins so.
int following(unsigned char first) {
  if (first < 0x80) return 0;
  if (first < 0xc2 || first > 0xf4) return -1;
  return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

/// What is overlong, a surrogate or over U+10FFFF shows in its second byte.
bool fits(unsigned char first, unsigned char second) {
  const unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned char most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  return second >= least && second <= most;
}

bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at < end) {
    const auto first = *at++;
    const int more = following(first);
    if (more == 0) continue;
    if (more < 0 || end - at < more || !fits(first, *at)) return false;
    for (int i = 1; i < more; ++i)
      if ((at[i] & 0xc0) != 0x80) return false;
    at += more;
  }
  return true;
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

std::string_view checked_text(std::string_view text) {
  if (!is_utf8(text)) throw row_fault("not UTF-8");
  return text;
}

}  // namespace amc::message_store
