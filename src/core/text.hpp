#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What is done to texts in more than one room.
namespace amc {

/// Without the white space of ASCII around it (or the characters given).
std::string_view trimmed(std::string_view text, std::string_view white = " \t\n\r\v\f");

/// How many bytes from the front are UTF-8 as RFC 3629 has it: no surrogates, nothing overlong, nothing over U+10FFFF.
std::size_t valid_utf8_prefix(std::string_view text);
inline bool is_valid_utf8(std::string_view text) {
  return valid_utf8_prefix(text) == text.size();
}

/// Whether it has a character that steers a terminal or ends a line.
bool has_control(std::string_view text);

/// 1 to 100 characters of A-Z a-z 0-9 . _ -: what queues and principals may be called.
bool is_plain_name(std::string_view text);

/// The number of a port, 1 to 65535; 0 when the text is none. (Boost.URL takes 99999 for one.)
std::uint16_t port_in(std::string_view text);

/// A text that any store takes: what is no UTF-8, and U+0000, becomes U+FFFD. A valid text comes back as it is.
std::string made_valid(std::string_view text);

/// At most so many bytes from the front, cut between two characters of UTF-8.
std::string_view shortened(std::string_view text, std::size_t bytes_max);

/// For a terminal or a line of a log: what could end the line, steer the terminal or show a text in another order than
/// it has (controls, line separators, marks of direction) is written as in JSON, "\n" or "\u009b", and a byte that is
/// no UTF-8 as "\xff". JSON stays the same JSON.
std::string escaped(std::string_view text);

/// How many bytes have to be inserted, deleted or replaced.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The one of `known` that takes the fewest edits to become `word`; empty when there is none.
std::string nearest(std::string_view word, std::span<const std::string> known);

/// "1,204": for people.
std::string with_commas(std::size_t number);

/// "a, b, c".
std::string joined(std::span<const std::string> words);

}  // namespace amc
