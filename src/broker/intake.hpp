#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "amc/error.hpp"

namespace amc::broker {

/// The one place that every text passes before a store sees it, whether it came over HTTP, from a handler on the store,
/// or from configuration: valid UTF-8 without U+0000, since there are stores that take nothing else, and of a bounded
/// size. `what` names it in the refusal: "The message".
std::optional<error> unfit(std::string_view text, std::string_view what);

/// The same for a message's text, of at most so many bytes. Errors: invalid, too_large.
std::optional<error> unfit_message(std::string_view text, std::size_t max_bytes);

/// A reason of a failure as it is kept: what is not UTF-8 and U+0000 are replaced, and it is cut.
std::string kept_reason(std::string_view reason);

/// Longer reasons are cut: ten of them are kept with each message.
constexpr std::size_t reason_max_bytes = 1'000;

}  // namespace amc::broker
