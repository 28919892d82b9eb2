#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <numeric>
#include <utility>

namespace amc {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

unsigned char byte_at(std::string_view text, std::size_t index) {
  return static_cast<unsigned char>(text[index]);
}

bool is_continuation(unsigned char byte) {
  return (byte & 0xc0) == 0x80;
}

/// The length of the character that a text begins with; 0 when what it begins with is none. (RFC 3629, section 4.)
std::size_t character_size(std::string_view text) {
  const auto first = byte_at(text, 0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  // The second byte rules out what is overlong, a surrogate or too large.
  const unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte_at(text, 1) < low || byte_at(text, 1) > high) return 0;
  for (std::size_t i = 2; i < size; ++i)
    if (!is_continuation(byte_at(text, i))) return 0;
  return size;
}

/// Of a whole character.
std::uint32_t code_point(std::string_view character) {
  if (character.size() == 1) return byte_at(character, 0);
  std::uint32_t value = byte_at(character, 0) & (0xffU >> (character.size() + 1));
  for (std::size_t i = 1; i < character.size(); ++i) value = value << 6 | (byte_at(character, i) & 0x3fU);
  return value;
}

bool is_shown(std::uint32_t point) {
  const auto within = [point](std::uint32_t first, std::uint32_t last) { return point >= first && point <= last; };
  const bool control = point < 0x20 || within(0x7f, 0x9f);
  const bool separator = within(0x2028, 0x2029);
  const bool direction = point == 0x61c || within(0x200e, 0x200f) || within(0x202a, 0x202e) || within(0x2066, 0x2069);
  return !control && !separator && !direction;
}

void append_hex(std::string& to, std::uint32_t value, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) to += "0123456789abcdef"[value >> shift & 0xf];
}

void append_escape(std::string& to, std::uint32_t point) {
  constexpr std::pair<std::uint32_t, const char*> short_forms[] = {{'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}};
  for (const auto& [known, form] : short_forms)
    if (point == known) {
      to += form;
      return;
    }
  to += "\\u";
  append_hex(to, point, 4);
}

}  // namespace

std::string_view trimmed(std::string_view text, std::string_view white) {
  const auto begin = text.find_first_not_of(white);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(white) - begin + 1);
}

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (byte_at(text, at) < 0x80) {
      ++at;
      continue;
    }
    const auto size = character_size(text.substr(at));
    if (size == 0) break;
    at += size;
  }
  return at;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

bool is_plain_name(std::string_view text) {
  constexpr std::size_t max_bytes = 100;
  constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !text.empty() && text.size() <= max_bytes && text.find_first_not_of(allowed) == std::string_view::npos;
}

std::uint16_t port_in(std::string_view text) {
  std::uint16_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size() ? number : std::uint16_t{0};
}

std::string made_valid(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    if (const auto size = text[0] == '\0' ? 0 : character_size(text); size > 0) {
      valid += text.substr(0, size);
      text.remove_prefix(size);
      continue;
    }
    valid += replacement;
    // One for a whole run of bytes that belong together, as for a character that was cut off.
    text.remove_prefix(1);
    while (!text.empty() && is_continuation(byte_at(text, 0))) text.remove_prefix(1);
  }
  return valid;
}

std::string_view shortened(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  // No character has more than three continuations; what has more is no UTF-8, and is cut anywhere.
  auto end = bytes_max;
  while (end > 0 && bytes_max - end < 4 && is_continuation(byte_at(text, end))) --end;
  return text.substr(0, bytes_max - end < 4 ? end : bytes_max);
}

std::string escaped(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const auto plain =
        std::find_if(text.begin(), text.end(), [](unsigned char byte) { return byte < 0x20 || byte > 0x7e; });
    shown.append(text.begin(), plain);
    text.remove_prefix(static_cast<std::size_t>(plain - text.begin()));
    if (text.empty()) break;
    const auto size = character_size(text);
    const auto character = text.substr(0, std::max<std::size_t>(1, size));
    if (size == 0) {
      shown += "\\x";
      append_hex(shown, byte_at(text, 0), 2);
    } else if (const auto point = code_point(character); is_shown(point)) {
      shown += character;
    } else {
      append_escape(shown, point);
    }
    text.remove_prefix(character.size());
  }
  return shown;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j)
      diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, diagonal + (a[i] != b[j])}));
  }
  return row.back();
}

std::string nearest(std::string_view word, std::span<const std::string> known) {
  const auto found = std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
    return edit_distance(a, word) < edit_distance(b, word);
  });
  return found == known.end() ? std::string() : *found;
}

std::string joined(std::span<const std::string> words) {
  std::string all;
  for (const auto& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

std::string with_commas(std::size_t number) {
  auto digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

}  // namespace amc
