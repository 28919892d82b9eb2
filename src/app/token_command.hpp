#pragma once

#include <string>
#include <vector>

namespace amc::app {

struct token_options {
  std::string name{};
  std::vector<std::string> rights{};  ///< "send:orders"
  std::string expires = "90d";
};

/// Prints a new token alone on the first line, and then its entry for a file of tokens. Throws config_error.
int token_command(const token_options& asked);

}  // namespace amc::app
