#include "http/message.hpp"

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <charconv>

namespace amc::http {

bool same_ignoring_case(std::string_view one, std::string_view other) {
  return boost::beast::iequals(one, other);
}

std::optional<std::string> headers::find(std::string_view name) const {
  std::optional<std::string> found;
  for (const auto& [key, value] : all_) {
    if (!same_ignoring_case(key, name)) continue;
    if (found)
      *found += ", " + value;
    else
      found = value;
  }
  return found;
}

std::string_view request::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned char byte = 0;
    const auto digits = text.substr(i + 1, 2);
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (failed != std::errc() || digits.size() != 2 || end != digits.data() + 2) return {};
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

std::optional<std::vector<parameter>> request::parameters() const {
  std::vector<http::parameter> all;
  const auto mark = target.find('?');
  if (mark == std::string::npos) return all;
  for (auto rest = std::string_view(target).substr(mark + 1); !rest.empty();) {
    const auto piece = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), piece.size() + 1));
    if (piece.empty()) continue;
    const auto equals = std::min(piece.find('='), piece.size());
    auto name = percent_decoded(piece.substr(0, equals));
    auto value = percent_decoded(piece.substr(std::min(equals + 1, piece.size())));
    if (!name || !value) return {};
    all.push_back({std::move(*name), std::move(*value)});
  }
  return all;
}

std::optional<std::string> request::parameter(std::string_view name) const {
  auto all = parameters();
  if (!all) return {};
  for (auto& each : *all)
    if (each.name == name) return std::move(each.value);
  return {};
}

}  // namespace amc::http
