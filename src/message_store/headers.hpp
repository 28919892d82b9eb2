#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/message.hpp"

namespace amc::message_store {

/// How stores keep a message's headers: `[["name", "value"], …]`; nothing where there are none.
std::string headers_text(const std::vector<header>& headers);
/// Throws row_fault for anything else.
std::vector<header> parse_headers(std::string_view text);

}  // namespace amc::message_store
