#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/message.hpp"

namespace amc::message_store {

/// How stores keep a row's attempts: `[{"revision": 1, "claim": 2, "at": MILLISECONDS, "error": "…"}, …]`.
std::string attempts_text(const std::vector<attempt>& attempts);
/// Throws row_fault for anything else.
std::vector<attempt> parse_attempts(std::string_view text);

}  // namespace amc::message_store
