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

}  // namespace amc
