#include "api/json_body.hpp"

#include <gmock/gmock.h>

namespace amc::api {
namespace {

using testing::HasSubstr;

std::string complaint(const std::string& body) {
  const auto text = answer_of(body);
  return text ? "no complaint" : text.error().detail;
}

TEST(JsonBody, TheMessageIsTaken) {
  EXPECT_EQ(answer_of(R"({"message":"Hi, \u00e9"})").value().said.text, "Hi, é");
}

TEST(JsonBody, AMemberThatNobodyKnowsIsRefusedWithTheNearestKnownOne) {
  constexpr auto body = R"({"message":"Hi, ","deliverAt":"2030-01-01T00:00:00Z"})";
  const auto refused = new_message_of(body);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail, "Unknown attribute \"deliverAt\"; the nearest known one is \"deliver_at\".");
  EXPECT_TRUE(new_message_of(body, others::ignored)) << "at the root";
  EXPECT_THAT(complaint(R"({"mesage":"Hi, "})"), HasSubstr("\"message\""));
  EXPECT_TRUE(answer_of(R"({"message":"Hi, ","other":{"a":[1]}})", others::ignored));
}

TEST(JsonBody, AMemberThatComesTwiceIsRefusedByName) {
  for (const auto* body : {R"({"message":"a","message":"b"})", R"({"message":"a" , "m\u0065ssage" :"a"})",
                           R"({"x":[{"message":1,"message":2}]})"})
    EXPECT_THAT(complaint(body), HasSubstr("\"message\" twice")) << body;
  for (const auto* body : {R"({"message":"\"message\":\"message\":{}","a":{"message":1},"b":[{"a":1},{"a":1}]})",
                           R"({"message":"a\\","b":"message","c":"}{"})"})
    EXPECT_TRUE(answer_of(body, others::ignored)) << body;
}

TEST(JsonBody, TheSeedsRefusals) {
  EXPECT_EQ(complaint(""), "Missing body content.");
  EXPECT_EQ(complaint(" \r\n"), "Missing body content.");
  EXPECT_EQ(complaint("{}"), "Missing the \"message\" attribute.");
  EXPECT_EQ(complaint("[]"), "Missing the \"message\" attribute.");
}

TEST(JsonBody, InvalidJsonIsRefusedWithItsPosition) {
  EXPECT_THAT(complaint(R"({"message": "a" x})"), HasSubstr("at byte 16"));
  EXPECT_THAT(complaint(R"({"message": "a")"), HasSubstr("incomplete"));
  EXPECT_THAT(complaint(R"({"message": "a"} x)"), HasSubstr("at byte 17"));
}

TEST(JsonBody, DeepNestingIsRefused) {
  EXPECT_THAT(complaint(std::string(1'000, '[') + std::string(1'000, ']')), HasSubstr("more than 40 deep"));
}

TEST(JsonBody, ANumberIsWholeJsonAndNoObject) {
  EXPECT_THAT(complaint("5"), testing::Not(HasSubstr("incomplete")));
}

TEST(JsonBody, AtTheRootAMessageIsAText) {
  for (const auto* body : {R"({"message":1})", R"({"message":null})", R"({"message":["a"]})"})
    EXPECT_THAT(new_message_of(body, others::ignored).error().detail, HasSubstr("must be a string"));
  EXPECT_THAT(new_message_of(R"({"message_base64":""})", others::ignored).error().detail, HasSubstr("Missing"));
}

TEST(JsonBody, InvalidUtf8IsRefused) {
  EXPECT_THAT(complaint("{\"message\":\"\xff\"}"), HasSubstr("not valid JSON at byte"));
  EXPECT_THAT(complaint("{\"message\":\"\xc3\"}"), HasSubstr("not valid JSON at byte"));
  EXPECT_THAT(complaint(R"({"message":"\ud800"})"), HasSubstr("not valid JSON at byte"));
}

TEST(JsonBody, U0000IsRefused) {
  EXPECT_THAT(complaint(R"({"message":"a\u0000b"})"), HasSubstr("U+0000"));
}

}  // namespace
}  // namespace amc::api
