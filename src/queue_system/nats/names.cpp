#include "queue_system/nats/names.hpp"

#include <openssl/sha.h>

#include <array>

#include "core/text.hpp"

namespace amc::queue_system::nats {
namespace {

std::string in_hex(unsigned char byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  return {digits[byte >> 4], digits[byte & 15]};
}

std::string digest_of(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::string all;
  for (const auto byte : digest) all += in_hex(byte);
  return all;
}

}  // namespace

std::string word_for(std::string_view text) {
  std::string word;
  for (const char c : text) {
    if (c != '.' && is_plain_name({&c, 1}))
      word += c;
    else
      word += "=" + in_hex(static_cast<unsigned char>(c));
  }
  // The server takes 255. "==" stands in no other word.
  constexpr std::size_t longest = 200, begin = 100;
  return word.size() <= longest ? word : word.substr(0, begin) + "==" + digest_of(text);
}

std::string stream_for(std::string_view prefix) {
  return prefix.empty() ? "amc" : "amc-" + word_for(prefix);
}

std::string subjects_of(const std::string& stream) {
  return stream + ".*";
}

place place_of(std::string_view prefix, std::string_view queue) {
  const auto stream = stream_for(prefix);
  const auto word = word_for(queue);
  return {stream, word, stream + "." + word};
}

std::string pull_subject(const place& of) {
  return "$JS.API.CONSUMER.MSG.NEXT." + of.stream + "." + of.consumer;
}

}  // namespace amc::queue_system::nats
