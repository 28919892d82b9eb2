#include <gmock/gmock.h>

#include <random>
#include <set>

#include "core/error.hpp"
#include "queue_system/kafka/client.hpp"
#include "queue_system/kafka/handled_offsets.hpp"
#include "tests/support/configured.hpp"

namespace amc::queue_system::kafka {
namespace {

using testing::HasSubstr;

constexpr std::size_t plenty = 4'000;

TEST(HandledOffsets, CommitsWhatIsHandledInOrder) {
  handled_offsets handled(100);
  for (std::int64_t offset : {100, 101, 102}) handled.add(offset, offset);
  EXPECT_EQ(handled.low(), 103);
  EXPECT_EQ(handled.above(plenty), "");
}

TEST(HandledOffsets, CommitsNothingAboveOneThatIsNotHandled) {
  handled_offsets handled(100);
  for (std::int64_t offset : {104, 101, 105, 102}) handled.add(offset, offset);
  EXPECT_EQ(handled.low(), 100);
  EXPECT_EQ(handled.above(plenty), "1-2,4-5");
  EXPECT_EQ(handled.count_above(), 4);
}

TEST(HandledOffsets, JumpsOverWhatWasHandledAbove) {
  handled_offsets handled(100);
  for (std::int64_t offset : {101, 102, 104, 100}) handled.add(offset, offset);
  EXPECT_EQ(handled.low(), 103);
  EXPECT_EQ(handled.above(plenty), "1-1");
}

TEST(HandledOffsets, AWholeRangeTakesInWhatItTouches) {
  handled_offsets handled(0);
  handled.add(2, 3);
  handled.add(6, 7);
  handled.add(10, 11);
  handled.add(4, 9);
  EXPECT_EQ(handled.above(plenty), "2-11");
  handled.add(5, 6);
  EXPECT_EQ(handled.above(plenty), "2-11") << "what is in it already changes nothing";
  handled.add(0, 1);
  EXPECT_EQ(handled.low(), 12);
}

TEST(HandledOffsets, WhatIsBelowOrNothingChangesNothing) {
  handled_offsets handled(10);
  handled.add(3, 9);
  handled.add(12, 11);
  EXPECT_EQ(handled.low(), 10);
  EXPECT_EQ(handled.count_above(), 0);
}

TEST(HandledOffsets, AreReadBackFromWhatIsKept) {
  const handled_offsets handled(100, "1-2,4-5");
  EXPECT_EQ(handled.low(), 100);
  EXPECT_EQ(handled.count_above(), 4);
  std::set<std::int64_t> contained;
  for (std::int64_t offset = 98; offset < 108; ++offset)
    if (handled.contains(offset)) contained.insert(offset);
  EXPECT_THAT(contained, testing::ElementsAre(98, 99, 101, 102, 104, 105));
}

TEST(HandledOffsets, ATextOfSomebodyElseSaysNothing) {
  for (const auto* text : {"x", "1", "1-", "-1", "1-2,", "2-1", "0-3", "1-2,2-3", "1-2,3-4", "4-5,1-2", "1-2 4-5",
                           "1-99999999999", "99999999999999999999-1", "1-2,x", "1--2", "+1-2", ",", "1-2,,4-5"}) {
    const handled_offsets handled(100, text);
    EXPECT_EQ(handled.count_above(), 0) << text;
    EXPECT_FALSE(handled.contains(100)) << text;
  }
}

TEST(HandledOffsets, WhatFindsNoRoomIsLeftOffFromTheTop) {
  handled_offsets handled(100);
  for (std::int64_t offset : {101, 103, 105}) handled.add(offset, offset);
  EXPECT_EQ(handled.above(11), "1-1,3-3,5-5");
  EXPECT_EQ(handled.above(10), "1-1,3-3");
  EXPECT_EQ(handled.above(2), "");
}

TEST(HandledOffsets, AgreeWithASetInAnyOrder) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    handled_offsets handled(7);
    std::set<std::int64_t> expected;
    for (int step = 0; step < 60; ++step) {
      const std::int64_t first = 7 + random() % 50, last = first + random() % 4;
      handled.add(first, last);
      for (auto offset = first; offset <= last; ++offset) expected.insert(offset);
      if (step % 7 == 0) handled = handled_offsets(handled.low(), handled.above(plenty));
      std::int64_t low = 7;
      while (expected.contains(low)) ++low;
      ASSERT_EQ(handled.low(), low) << seed;
      for (std::int64_t offset = 7; offset < 62; ++offset)
        ASSERT_EQ(handled.contains(offset), expected.contains(offset)) << seed << " " << offset;
      ASSERT_EQ(handled.count_above(), std::distance(expected.upper_bound(low), expected.end())) << seed;
    }
  }
}

TEST(KafkaTopicName, IsReadableWhereItCanBe) {
  EXPECT_EQ(topic_name("topic-a"), "topic-a");
  EXPECT_EQ(topic_name("orders.eu"), "orders_2Eeu");
  EXPECT_EQ(topic_name("my_queue"), "my__queue");
  EXPECT_EQ(topic_name("a b/\xff"), "a_20b_2F_FF");
}

TEST(KafkaTopicName, HasOnlyWhatKafkaTakes) {
  std::string every;
  for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
  for (const auto& queue :
       {every.substr(0, 80), every, std::string(100, '.'), std::string(200, '\xff'), std::string(".")}) {
    const auto topic = topic_name(queue);
    EXPECT_LE(topic.size(), 249U);
    EXPECT_EQ(topic.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"),
              std::string::npos)
        << "no '.': Kafka takes no two topics that differ in '.' and '_' only";
  }
}

TEST(KafkaTopicName, NoTwoQueuesHaveOne) {
  std::vector<std::string> queues{"a.b", "a_b", "a__b", "a_2eb", "a_2e", "a.", "a_5fb", "A.b", "a-b", "_x", "_", "."};
  for (const auto* end : {"", "1", "2"}) queues.push_back(std::string(199, '.') + end);
  std::set<std::string> topics;
  for (const auto& queue : queues) topics.insert(topic_name(queue));
  EXPECT_EQ(topics.size(), queues.size());
}

std::string refusal_of(const std::string& properties) {
  try {
    make_kafka(kafka_options_from(tests::configured({"queue_system.kafka.properties=" + properties})));
  } catch (const config_error& refused) {
    return refused.what();
  }
  return "";
}

TEST(KafkaProperties, AreRefusedWhereLibrdkafkaOrTheDriverCannotHaveThem) {
  EXPECT_EQ(refusal_of("[security.protocol=SASL_SSL, sasl.mechanism=PLAIN, sasl.username=a, sasl.password=b=c]"), "");
  EXPECT_THAT(refusal_of("[no.such.thing=1]"), HasSubstr("queue_system.kafka.properties"));
  EXPECT_THAT(refusal_of("[security.protocol=carrier pigeon]"), HasSubstr("security.protocol"));
  for (const auto* own : {"enable.auto.commit", "acks", "request.required.acks", "group.id", "bootstrap.servers",
                          "enable.idempotence", "auto.offset.reset", "transactional.id"})
    EXPECT_THAT(refusal_of("[" + std::string(own) + "=1]"), HasSubstr(own));
}

TEST(KafkaProperties, WhatIsNoSettingIsNotRepeated) {
  const auto refused = refusal_of("[s3cret]");
  EXPECT_THAT(refused, testing::AllOf(HasSubstr("NAME=VALUE"), testing::Not(HasSubstr("s3cret"))));
}

TEST(KafkaProperties, AreMaskedWhenPrinted) {
  const auto settings = tests::configured({"queue_system.kafka.properties=[sasl.password=s3cr=t, s3cret]"});
  EXPECT_EQ(printable(settings.at("queue_system.kafka.properties")), R"(["sasl.password=***","***"])");
}

}  // namespace
}  // namespace amc::queue_system::kafka
