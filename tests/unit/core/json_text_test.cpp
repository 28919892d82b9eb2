#include "core/json_text.hpp"

#include <gmock/gmock.h>

namespace amc {
namespace {

using testing::ElementsAre;

TEST(JsonText, AMemberIsFoundAsItIsWritten) {
  constexpr auto object = R"( { "a" : "x\"}\\" , "b":[1.50, {"c":"]"}],"c" : {"b":2} , "d":-0.0e+1} )";
  EXPECT_EQ(member_text(object, "a"), R"("x\"}\\")");
  EXPECT_EQ(member_text(object, "b"), R"([1.50, {"c":"]"}])");
  EXPECT_EQ(member_text(object, "c"), R"({"b":2})");
  EXPECT_EQ(member_text(object, "d"), "-0.0e+1");
  EXPECT_EQ(member_text(object, "e"), "");
  EXPECT_EQ(member_text("{}", "a"), "");
}

TEST(JsonText, ANameMayBeWrittenWithEscapes) {
  EXPECT_EQ(member_text(R"({"m\u0065ssage":null})", "message"), "null");
}

TEST(JsonText, ItemsAreFoundAsTheyAreWritten) {
  EXPECT_THAT(item_texts(R"( [ {"a":[1,2]} ,"]", 1.50,[] ] )"), ElementsAre(R"({"a":[1,2]})", R"("]")", "1.50", "[]"));
  EXPECT_THAT(item_texts("[ ]"), ElementsAre());
}

TEST(JsonText, AnObjectIsWrittenMemberByMember) {
  json_object_text object;
  object.add("text", "a \"b\" \\ \n \x01 ü");
  object.add("a \"name\"", std::string("x"));
  object.add("number", std::int64_t{-9'007'199'254'740'991});
  object.add("flag", true);
  object.add_json("list", "[1.50]");
  EXPECT_EQ(
      object.take(),
      R"({"text":"a \"b\" \\ \n \u0001 ü","a \"name\"":"x","number":-9007199254740991,"flag":true,"list":[1.50]})");
}

TEST(JsonText, AnObjectMayHaveNoMember) {
  EXPECT_EQ(json_object_text().take(), "{}");
}

}  // namespace
}  // namespace amc
