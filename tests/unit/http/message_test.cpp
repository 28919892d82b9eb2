#include "http/message.hpp"

#include <gmock/gmock.h>

namespace amc::http {
namespace {

std::string listed(const std::string& query) {
  const auto parameters = request{"GET", "/" + query}.parameters();
  if (!parameters) return "not decodable";
  std::string all;
  for (const auto& [name, value] : *parameters) all += "[" + name + "=" + value + "]";
  return all;
}

TEST(Query, IsDecoded) {
  EXPECT_EQ(listed(""), "");
  EXPECT_EQ(listed("?"), "");
  EXPECT_EQ(listed("?a=1&b=2&a=3"), "[a=1][b=2][a=3]");
  EXPECT_EQ(listed("?%61=%31%3D%26&&b&=c"), "[a=1=&][b=][=c]");
  EXPECT_EQ(listed("?a=%C3%a9\xc3\xa9"), "[a=éé]");
  EXPECT_EQ(listed("?a=b?c=d#e"), "[a=b?c=d#e]");
  EXPECT_EQ(listed("?a=1+2"), "[a=1+2]") << "a plus is a plus";
}

TEST(Query, IsNotDecodedInPart) {
  for (const auto* bad : {"?a=1&b=%", "?a=%4", "?%zz=1", "?a=% 1", "?a=%+1", "?a=%-1", "?a=1&%g0", "?a=%0x"})
    EXPECT_EQ(listed(bad), "not decodable") << bad;
}

}  // namespace
}  // namespace amc::http
