#pragma once

#include <optional>
#include <string>

#include "core/config.hpp"

namespace amc::app {

/// What `amc post` was asked for.
struct post_options {
  std::string text{};  ///< "-": stdin
  std::string queue{};
  bool done = false;
  std::string deliver_at{};
  std::string expires_at{};
  std::string idempotency_key{};  ///< empty: one of its own
  std::optional<int> wait_s{};    ///< how long the answer is waited for; none: not at all
  bool is_value = false;          ///< the text is the JSON of a value
  bool json = false;              ///< print the message, not its text
};

constexpr int exit_not_in_time = 3;

/// Posts a message and prints its id, or waits and prints the answer's text. A broker that is away is asked again, with
/// the same idempotency key, for as long as it is waited. Exit code 0; 1 when it was refused or ended without an
/// answer; exit_not_in_time when it was accepted and is not finished.
int post_command(const config& settings, const post_options& asked);

}  // namespace amc::app
