#include "core/work.hpp"

#include <algorithm>

namespace amc {

namespace {

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

bool is_idempotency_key(std::string_view text) {
  constexpr std::size_t max_bytes = 255;
  return !text.empty() && text.size() <= max_bytes && is_printable(text);
}

bool is_tracestate(std::string_view text) {
  constexpr std::size_t max_bytes = 512;
  return text.size() <= max_bytes && is_printable(text);
}

bool is_queue_name(std::string_view name) {
  return is_plain_name(name) && name != "." && name != "..";
}

std::size_t content::size() const {
  if (form != content_form::bytes) return text.size();
  const auto padding =
      std::count(text.end() - static_cast<std::ptrdiff_t>(std::min<std::size_t>(2, text.size())), text.end(), '=');
  return text.size() / 4 * 3 - static_cast<std::size_t>(padding);
}

}  // namespace amc
