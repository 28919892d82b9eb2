#include "queue_system/event_codec.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace amc::queue_system {
namespace {

const uuid message_id = *parse_uuid("01890a5d-ac96-774b-bcce-b302099a8057");
const uuid event_id = *parse_uuid("01890a5d-ac96-774b-bcce-b302099a8058");
const auto some_time = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'700'000'000'045));

TEST(EventCodec, WritesAStructuredCloudEvent) {
  const auto written = boost::json::parse(encode({message_id, 3}, event_id, some_time));
  const auto expected = boost::json::parse(R"({
    "specversion": "1.0", "id": "01890a5d-ac96-774b-bcce-b302099a8058", "source": "/amc/broker",
    "type": "amc.message.ready", "subject": "01890a5d-ac96-774b-bcce-b302099a8057",
    "time": "2023-11-14T22:13:20.045Z", "datacontenttype": "application/json",
    "data": {"id": "01890a5d-ac96-774b-bcce-b302099a8057", "revision": 3}})");
  EXPECT_EQ(written, expected);
}

TEST(EventCodec, ReadsWhatItWrites) {
  const auto read = decode(encode({message_id, 3}, event_id, some_time));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id, message_id);
  EXPECT_EQ(read->revision, 3);
}

TEST(EventCodec, IgnoresMembersThatItDoesNotKnow) {
  EXPECT_TRUE(decode(R"({"type":"amc.message.ready","extra":[1,-1,18446744073709551615,1.5,true,null,"x",{}],
    "data":{"id":"01890a5d-ac96-774b-bcce-b302099a8057","revision":1,"more":true}})"));
}

TEST(EventCodec, ReadsNothingInWhatIsNestedElsewhere) {
  EXPECT_FALSE(decode(R"({"more":{"type":"amc.message.ready"},
    "data":[{"id":"01890a5d-ac96-774b-bcce-b302099a8057","revision":1}]})"));
}

TEST(EventCodec, TakesWhiteSpaceAroundIt) {
  EXPECT_TRUE(decode("\n" + encode({message_id, 3}, event_id, some_time) + " \n"));
}

/// With members of its own, as the specification allows.
std::string with_more(const std::string& more) {
  return R"({"type":"amc.message.ready","data":{"id":"01890a5d-ac96-774b-bcce-b302099a8057","revision":1})" + more +
         "}";
}

TEST(EventCodec, AnEventIsBoundedByBytes) {
  const std::string dots(event_max_bytes - 120, '.');
  const std::string spaces(event_max_bytes, ' ');
  const auto long_one = with_more(R"(,"more":")" + dots + "\"");
  ASSERT_LE(long_one.size(), event_max_bytes);
  EXPECT_TRUE(decode(long_one));
  EXPECT_THAT(decode(long_one + spaces).error().detail, testing::HasSubstr("65536"));
}

TEST(EventCodec, AnEventThatIsNestedDeeplyIsRefused) {
  EXPECT_TRUE(decode(with_more(R"(,"more":[[[1]]])")));
  EXPECT_FALSE(decode(with_more(R"(,"more":)" + std::string(20'000, '[') + std::string(20'000, ']'))));
}

TEST(EventCodec, AMemberThatComesTwiceIsRefusedWhereverItIs) {
  const std::vector<std::string> twice{R"(,"type":"amc.message.ready")", R"(,"a":1,"a":1)",
                                       R"(,"a":{"b":[{"c":1,"c":2}]})", R"(,"\u0074ype":"x")"};
  for (const auto& more : twice)
    EXPECT_THAT(decode(with_more(more)).error().detail, testing::HasSubstr("comes twice")) << more;
}

TEST(EventCodec, U0000IsRefusedWhereverItIs) {
  for (const std::string more : {R"(,"a":"\u0000")", R"(,"a\u0000":1)", R"(,"a":["x\u0000y"])"})
    EXPECT_THAT(decode(with_more(more)).error().detail, testing::HasSubstr("U+0000")) << more;
}

class UndecodableEvent : public testing::TestWithParam<const char*> {};

TEST_P(UndecodableEvent, IsRefusedWithAReason) {
  const auto read = decode(GetParam());
  ASSERT_FALSE(read);
  EXPECT_FALSE(read.error().detail.empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, UndecodableEvent,
    testing::Values(
        "", "x", "\xff\xfe", "{} {}", "{", R"({"type":"amc.message.ready\xff"})", "3", "[]", "{}",
        R"({"type":"other"})", R"({"type":"amc.message.ready"})", R"({"type":"amc.message.ready","data":1})",
        R"({"type":"amc.message.ready","data":{"id":1}})",
        R"({"type":"amc.message.ready","data":{"id":"x","revision":1}})",
        R"({"type":"amc.message.ready","data":{"id":"01890a5d-ac96-774b-bcce-b302099a8057","revision":0}})",
        R"({"type":"amc.message.ready","data":{"id":"01890a5d-ac96-774b-bcce-b302099a8057","revision":1.5}})",
        R"({"type":"amc.message.ready","data":{"id":"01890a5d-ac96-774b-bcce-b302099a8057","revision":3000000000}})"));

}  // namespace
}  // namespace amc::queue_system
