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

}  // namespace
}  // namespace amc
