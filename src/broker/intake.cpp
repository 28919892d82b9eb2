#include "broker/intake.hpp"

#include "core/text.hpp"

namespace amc::broker {

std::optional<error> unfit(std::string_view text, std::string_view what) {
  if (!is_valid_utf8(text)) return error{errc::invalid, std::string(what) + " is not valid UTF-8."};
  if (text.find('\0') != std::string_view::npos)
    return error{errc::invalid, std::string(what) + " contains U+0000, which cannot be stored."};
  return {};
}

namespace {

std::optional<error> unfit_headers(const std::optional<std::vector<header>>& headers) {
  if (!headers) return {};
  std::size_t bytes = 0;
  for (const auto& h : *headers) {
    bytes += h.name.size() + h.value.size();
    for (const auto* text : {&h.name, &h.value})
      if (auto wrong = unfit(*text, "A header")) return wrong;
  }
  if (headers->size() <= headers_max && bytes <= headers_max_bytes) return {};
  return error{errc::invalid, "The message has " + std::to_string(headers->size()) + " headers of " +
                                  std::to_string(bytes) + " bytes; it may have " + std::to_string(headers_max) +
                                  " of " + std::to_string(headers_max_bytes) + " bytes together."};
}

}  // namespace

std::optional<error> unfit_message(const content& said, std::size_t max_bytes) {
  if (said.size() > max_bytes)
    return error{errc::too_large, "The message has " + std::to_string(said.size()) + " bytes; this broker takes " +
                                      std::to_string(max_bytes) + " (broker.message_max_bytes)."};
  if (auto wrong = unfit(said.text, "The message")) return wrong;
  return unfit_headers(said.headers);
}

}  // namespace amc::broker
