#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/message.hpp"

namespace amc {

/// "2026-11-24T06:19:33.045Z" (RFC 3339, in UTC). Its years have four digits: what is earlier or later than they can
/// say becomes the first or the last moment that they can.
std::string to_rfc3339(timestamp time);

/// Reads an RFC 3339 time, with its offset, as the grammar in its section 5.6 has it (a "T", not a space); nothing for
/// any other text, nor for a moment that is not in the years 0000 to 9999 of UTC. Finer than milliseconds is cut off. A
/// second 60 is one only at the end of a month in UTC, and is the moment after it.
std::optional<timestamp> parse_rfc3339(std::string_view text);

/// "850 ms", "12 s", "3 min", "5 h", "2 days": for people, rounded down; less than nothing is "0 ms".
std::string in_words(milliseconds time);

/// "14:02:11 UTC" of the day that `now` is in, else "2026-11-24 14:02:11 UTC": for people.
std::string clock_time(timestamp time, timestamp now);

}  // namespace amc
