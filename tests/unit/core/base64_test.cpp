#include "core/base64.hpp"

#include <gmock/gmock.h>

namespace amc {
namespace {

TEST(Base64, IsAsTheStandardHasIt) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
}

TEST(Base64, WhateverTheBytesTheyComeBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes += static_cast<char>(i);
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
  }
}

TEST(Base64, HasOneSpellingForEachSequenceOfBytes) {
  for (const auto* other :
       {"Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm 9", "Zm-_", "Zm9v=", "é~"})
    EXPECT_FALSE(from_base64(other)) << other;
}

TEST(Base64Url, IsTheAlphabetOfUrlsWithoutPadding) {
  EXPECT_EQ(to_base64url(std::string_view("\xfb\xff\x01", 3)), "-_8B");
  for (std::size_t size = 0; size < 10; ++size) {
    const std::string bytes(size, '\xfe');
    EXPECT_EQ(from_base64url(to_base64url(bytes)), bytes);
  }
  for (const auto* other : {"Zg==", "Zm8=", "+/8B", "-_8B\n", "A", "AAAAA", "Zh", "Zm9"})
    EXPECT_FALSE(from_base64url(other)) << other;
}

}  // namespace
}  // namespace amc
