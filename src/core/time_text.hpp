#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "amc/message.hpp"

namespace amc {

/// "2026-11-24T06:19:33.045Z" (RFC 3339, in UTC).
std::string to_rfc3339(timestamp time);

/// Reads any RFC 3339 time, with its offset; nothing for any other text. Finer than milliseconds is cut off.
std::optional<timestamp> parse_rfc3339(std::string_view text);

}  // namespace amc
