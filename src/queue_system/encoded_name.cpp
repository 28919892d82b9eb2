#include "queue_system/encoded_name.hpp"

#include <openssl/sha.h>

#include <array>

namespace amc::queue_system {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void append_byte(std::string& to, unsigned char byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  to += digits[byte >> 4];
  to += digits[byte & 15];
}

}  // namespace

std::string encoded_name(std::string_view text, const name_rules& rules) {
  std::string name;
  for (const char c : text) {
    const bool is_plain = is_alphanumeric(c) || (c != rules.escape && rules.plain.find(c) != std::string_view::npos);
    if (!is_plain) name += rules.escape;
    if (is_plain || c == rules.escape)
      name += c;
    else
      append_byte(name, static_cast<unsigned char>(c));
  }
  if (name.size() <= rules.longest) return name;
  // An escape and an "x" stand in no other name: "x" is no digit.
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  constexpr std::size_t kept = 100;
  name.resize(kept);
  while (name.ends_with(rules.escape)) name.pop_back();  // one that was cut would stand for what follows
  name += rules.escape;
  name += 'x';
  for (const auto byte : digest) append_byte(name, byte);
  return name;
}

}  // namespace amc::queue_system
