#include "broker/intake.hpp"

#include "core/text.hpp"

namespace amc::broker {

std::optional<error> unfit(std::string_view text, std::string_view what) {
  if (!is_valid_utf8(text)) return error{errc::invalid, std::string(what) + " is not valid UTF-8."};
  if (text.find('\0') != std::string_view::npos)
    return error{errc::invalid, std::string(what) + " contains U+0000, which cannot be stored."};
  return {};
}

std::optional<error> unfit_message(std::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes)
    return error{errc::too_large, "The message has " + std::to_string(text.size()) + " bytes; this broker takes " +
                                      std::to_string(max_bytes) + " (broker.message_max_bytes)."};
  return unfit(text, "The message");
}

bool is_queue_name(std::string_view name) {
  constexpr std::size_t max_bytes = 100;
  constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  const bool bounded = !name.empty() && name.size() <= max_bytes;
  return bounded && name.find_first_not_of(allowed) == std::string_view::npos && name != "." && name != "..";
}

}  // namespace amc::broker
