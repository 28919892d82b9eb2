#include "core/text.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace amc {
namespace {

TEST(Text, IsTrimmedOfWhiteSpace) {
  EXPECT_EQ(trimmed(" \t\r\n\v\fa b \n"), "a b");
  EXPECT_EQ(trimmed(" \n"), "");
  EXPECT_EQ(trimmed(""), "");
  EXPECT_EQ(trimmed("\n a \n", " "), "\n a \n");
}

/// A code point as the bytes that it would have, allowed or not.
std::string encoded(std::uint32_t point) {
  if (point < 0x80) return {static_cast<char>(point)};
  std::string bytes;
  const int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  bytes += static_cast<char>((0xff00 >> (more + 1)) | (point >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) bytes += static_cast<char>(0x80 | (point >> (6 * i) & 0x3f));
  return bytes;
}

TEST(Text, EveryCharacterButTheSurrogatesIsUtf8) {
  for (std::uint32_t point = 0; point < 0x120000; ++point) {
    const bool expected = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    ASSERT_EQ(is_valid_utf8(encoded(point)), expected) << std::hex << point;
    ASSERT_EQ(made_valid(encoded(point)) == encoded(point), expected && point != 0) << std::hex << point;
  }
}

TEST(Text, WhatIsOverlongCutOrAloneIsNotUtf8) {
  for (const auto* text : {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                           "\xf8\x88\x80", "\x80", "\xff", "a\xe2\x82", "\xe2\x28\xa1", "\xc3"})
    EXPECT_FALSE(is_valid_utf8(text)) << text;
  EXPECT_EQ(valid_utf8_prefix("ab\xff"), 2U);
  EXPECT_EQ(valid_utf8_prefix("\xc3\xa9\xe2\x82"), 2U);
}

TEST(Text, IsMadeValidWithoutLosingItsGoodPart) {
  EXPECT_EQ(made_valid("caf\xe9 au lait"), "caf\xef\xbf\xbd au lait");
  EXPECT_EQ(made_valid("a\xe2\x82"), "a\xef\xbf\xbd");
  EXPECT_EQ(made_valid(std::string_view("a\0b", 3)),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(made_valid("\xff\xff"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(made_valid("Grüße, 世界 🎉"), "Grüße, 世界 🎉");
}

TEST(Text, IsShortenedBetweenTwoCharacters) {
  const std::string text = "aé€🎉";
  for (std::size_t max = 0; max <= text.size(); ++max) {
    EXPECT_TRUE(is_valid_utf8(shortened(text, max))) << max;
    EXPECT_LE(shortened(text, max).size(), max);
    EXPECT_LT(max - shortened(text, max).size(), 4U) << "no more than needed is cut";
  }
  EXPECT_EQ(shortened(std::string(100, '\x80'), 10).size(), 10U);
}

TEST(Text, EscapedItIsOneLineThatSteersNothing) {
  EXPECT_EQ(escaped("plain é世🎉 \\ \"text\""), "plain é世🎉 \\ \"text\"");
  EXPECT_EQ(escaped("a\nb\rc\td"), "a\\nb\\rc\\td");
  EXPECT_EQ(escaped("\x1b[2J"), "\\u001b[2J");
  EXPECT_EQ(escaped(std::string_view("\0\x7f", 2)), "\\u0000\\u007f");
  EXPECT_EQ(escaped("\xc2\x9b"
                    "31m\xc2\x85"),
            "\\u009b31m\\u0085")
      << "C1, which are controls too";
  EXPECT_EQ(escaped("\xe2\x80\xa8\xe2\x80\xa9"), "\\u2028\\u2029");
  EXPECT_EQ(escaped("\xe2\x80\xae"
                    "cba\xe2\x81\xa6"),
            "\\u202ecba\\u2066")
      << "an order that the text does not have";
  EXPECT_EQ(escaped("\x9b"
                    "31m \xff\xe2\x82"),
            "\\x9b31m \\xff\\xe2\\x82");
}

TEST(Text, EveryControlIsEscaped) {
  for (std::uint32_t point = 0; point < 0xa0; ++point)
    EXPECT_EQ(escaped(encoded(point)) != encoded(point), point < 0x20 || point >= 0x7f) << point;
}

TEST(Text, EscapedJsonIsTheSameJson) {
  const std::string text = "a\n\x1b \xc2\x9b \xe2\x80\xa8 \x7f é 🎉 \\ \"";
  const auto shown = escaped(boost::json::serialize(boost::json::value(text)));
  EXPECT_EQ(escaped(shown), shown) << "nothing is left to escape";
  EXPECT_EQ(boost::json::parse(shown).as_string(), text);
}

TEST(Text, TheNearestWordIsFound) {
  const std::vector<std::string> known{"broker", "bench", "all"};
  EXPECT_EQ(nearest("brokr", known), "broker");
  EXPECT_EQ(nearest("al", known), "all");
  EXPECT_EQ(nearest("x", {}), "");
  EXPECT_EQ(joined(known), "broker, bench, all");
}

}  // namespace
}  // namespace amc
