#include "queue_system/encoded_name.hpp"

#include <gmock/gmock.h>

#include <map>
#include <random>

namespace amc::queue_system {
namespace {

constexpr name_rules kafkas{.escape = '_', .plain = "-", .longest = 249};

std::string every_byte() {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  return all;
}

TEST(EncodedName, IsReadableWhereItCanBe) {
  EXPECT_EQ(encoded_name("topic-a_1"), "topic-a_1");
  EXPECT_EQ(encoded_name("orders.eu"), "orders=2Eeu");
  EXPECT_EQ(encoded_name("a=b"), "a==b");
  EXPECT_EQ(encoded_name("my_queue", kafkas), "my__queue");
  EXPECT_EQ(encoded_name("a b/\xff", kafkas), "a_20b_2F_FF");
  EXPECT_EQ(encoded_name(""), "");
}

TEST(EncodedName, HasOnlyWhatTheEngineTakes) {
  constexpr std::string_view alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  for (const auto& rules : {name_rules{}, kafkas})
    for (const auto& text : {every_byte().substr(0, 60), every_byte(), std::string(200, '.'), std::string(1, '\0')}) {
      const auto name = encoded_name(text, rules);
      EXPECT_LE(name.size(), rules.longest);
      EXPECT_EQ(name.find_first_not_of(std::string(alphanumeric) + std::string(rules.plain) + rules.escape),
                std::string::npos)
          << name;
    }
}

/// Texts that are made to meet: of few bytes, the escape and its digits among them.
std::vector<std::string> texts_that_are_alike() {
  std::vector<std::string> all{"a.b",   "a_b", "a=b", "a==b", "a=2Eb", "a=2E", "a.",
                               "a_5Fb", "A.b", "_x",  "=x",   "_",     "=",    "."};
  std::mt19937 random(1);
  constexpr std::string_view bytes = "=_x2E5F.-";
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (auto length = random() % 6; length > 0; --length) text += bytes[random() % bytes.size()];
    all.push_back(text);
  }
  // Too long for a name: what tells them apart is at the end, or before an escape that is cut in two.
  for (std::size_t length = 40; length < 260; ++length)
    for (const auto* end : {"", "1", "2", "."}) {
      all.push_back(std::string(length, '.') + end);
      all.push_back(std::string(length, '=') + end);
      all.push_back(std::string(length, 'a') + end);
    }
  return all;
}

TEST(EncodedName, NoTwoTextsHaveOne) {
  for (const auto& rules : {name_rules{}, kafkas}) {
    std::map<std::string, std::string> texts;
    for (const auto& text : texts_that_are_alike()) {
      const auto [found, is_new] = texts.emplace(encoded_name(text, rules), text);
      ASSERT_EQ(found->second, text) << found->first;
    }
  }
}

}  // namespace
}  // namespace amc::queue_system
