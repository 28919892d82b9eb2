#pragma once

#include <string>

namespace amc {

/// Of a hexadecimal digit in either case; -1: none.
constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Adds a byte as two digits, in lower case.
inline void append_hex(std::string& to, unsigned char byte) {
  constexpr const char* digits = "0123456789abcdef";
  to += digits[byte >> 4];
  to += digits[byte & 0xf];
}

}  // namespace amc
