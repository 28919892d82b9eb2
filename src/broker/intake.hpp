#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/work.hpp"

namespace amc::broker {

/// The one place that every text passes before a store sees it, whether it came over HTTP, from a handler on the store,
/// or from configuration: valid UTF-8 without U+0000, since there are stores that take nothing else, and of a bounded
/// size. `what` names it in the refusal: "The message".
std::optional<error> unfit(std::string_view text, std::string_view what);

/// The same for all of what a message says, its value or bytes no more than so many. Errors: invalid, too_large.
std::optional<error> unfit_message(const content& said, std::size_t max_bytes);

}  // namespace amc::broker
