#pragma once

#include <string>

#include "core/message.hpp"

namespace amc {

/// For client libraries that do not keep the reason: connects once more, and says why that fails in the system's words
/// ("Connection refused"). When it does not, the server ended the connection.
std::string why_unreachable(const std::string& host, const std::string& port, milliseconds longest);

}  // namespace amc
