#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/message.hpp"

namespace amc::access {

struct new_token {
  std::string token;  ///< the secret, of 256 random bits; kept nowhere
  std::string entry;  ///< of a file of tokens
};

/// Throws config_error for a name or a right that is none.
new_token make_token(const std::string& name, const std::vector<std::string>& rights,
                     const std::optional<timestamp>& expires);

/// "90d", "12h", "30m": so long from now on; nothing for "never". Throws config_error for any other text.
std::optional<milliseconds> parse_lifetime(const std::string& text);

}  // namespace amc::access
