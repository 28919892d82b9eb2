#include "queue_system/platform.hpp"

#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "queue_system/embedded/embedded.hpp"
#include "tests/support/rabbitmq.hpp"
#ifdef AMC_WITH_KAFKA
#include "tests/support/kafka.hpp"
#endif

/// What every queue engine must do. A new driver is one more line at the end.
namespace amc {
namespace {

using testing::ElementsAre;

/// What a driver under test needs: a place for its queues.
struct surroundings {
  std::unique_ptr<tests::rabbitmq_queues> rabbitmq{};
#ifdef AMC_WITH_KAFKA
  std::unique_ptr<tests::kafka_queues> kafka{};
#endif
};

struct driver {
  std::string name;
  std::function<std::shared_ptr<platform>(surroundings&)> make;
  bool may_be_refused = false;  ///< by a server that does not offer it
  std::string missing{};        ///< why it cannot be tested here
};

using queue_type = queue_system::rabbitmq_options::queue_type;

driver rabbitmq(const std::string& name, queue_type type) {
  return {name,
          [type](surroundings& around) {
            around.rabbitmq = std::make_unique<tests::rabbitmq_queues>();
            auto options = around.rabbitmq->options();
            options.type = type;
            return queue_system::make_rabbitmq(options);
          },
          type == queue_type::transient};
}

#ifdef AMC_WITH_KAFKA
driver kafka(const std::string& name, int partitions) {
  return {name,
          [partitions](surroundings& around) {
            around.kafka = std::make_unique<tests::kafka_queues>();
            auto options = around.kafka->options();
            options.partitions = partitions;
            return queue_system::make_kafka(options);
          },
          false, tests::why_no_kafka()};
}
#endif

class PlatformContract : public testing::TestWithParam<driver> {
 protected:
  void SetUp() override {
    if (!GetParam().missing.empty()) GTEST_SKIP() << GetParam().missing;
    if (!GetParam().may_be_refused) return;
    try {
      engine_->check(std::vector<std::string>{"q"}, {});
    } catch (const unavailable& failed) {
      if (failed.why() != unavailable::reason::refused) throw;
      GTEST_SKIP() << failed.what();
    }
  }

  void publish(const std::string& bytes, const std::string& queue = "q") {
    const std::vector<outgoing> batch{{queue, bytes}};
    publisher_->publish(batch);
  }

  /// Receives until `count` are there or nothing comes for a while.
  static std::vector<incoming> receive(queue_subscriber& from, std::size_t count) {
    std::vector<incoming> all;
    while (all.size() < count) {
      auto batch = from.receive(count - all.size(), milliseconds(2'000));
      if (batch.empty()) break;
      for (auto& in : batch) all.push_back(std::move(in));
    }
    return all;
  }

  /// In the order in which they come, where the engine keeps that of the publisher.
  testing::Matcher<const std::vector<std::string>&> are(const std::vector<std::string>& bytes) const {
    if (engine_->capabilities().keeps_order) return testing::ElementsAreArray(bytes);
    return testing::UnorderedElementsAreArray(bytes);
  }

  static std::vector<std::string> bytes_of(const std::vector<incoming>& batch) {
    std::vector<std::string> all;
    for (const auto& in : batch) all.push_back(in.bytes);
    return all;
  }

  static bool is_empty(queue_subscriber& from) { return from.receive(1, milliseconds(50)).empty(); }

  surroundings around_;
  std::shared_ptr<platform> engine_ = GetParam().make(around_);
  std::unique_ptr<queue_publisher> publisher_ = engine_->make_publisher();
};

TEST_P(PlatformContract, DeliversInOrderToOneSubscriber) {
  const auto subscriber = engine_->make_subscriber("q", 10);
  for (const auto* bytes : {"1", "2", "3"}) publish(bytes);
  EXPECT_THAT(bytes_of(receive(*subscriber, 3)), are({"1", "2", "3"}));
}

TEST_P(PlatformContract, KeepsWhatIsPublishedBeforeAnybodySubscribes) {
  publish("early");
  const auto subscriber = engine_->make_subscriber("q", 10);
  EXPECT_THAT(bytes_of(receive(*subscriber, 1)), ElementsAre("early"));
}

TEST_P(PlatformContract, PublishesABatchOverManyQueues) {
  const std::vector<outgoing> batch{{"q", "1"}, {"r", "2"}, {"q", "3"}};
  publisher_->publish(batch);
  EXPECT_THAT(bytes_of(receive(*engine_->make_subscriber("q", 10), 2)), are({"1", "3"}));
  EXPECT_THAT(bytes_of(receive(*engine_->make_subscriber("r", 10), 1)), ElementsAre("2"));
}

TEST_P(PlatformContract, DeliversEachToOneOfManySubscribers) {
  const auto one = engine_->make_subscriber("q", 10);
  const auto two = engine_->make_subscriber("q", 10);
  for (int i = 0; i < 20; ++i) publish(std::to_string(i));
  std::multiset<std::string> seen;
  for (int rounds = 0; rounds < 20 && seen.size() < 20; ++rounds)
    for (auto* subscriber : {one.get(), two.get()}) {
      std::vector<std::uint64_t> tags;
      for (const auto& in : subscriber->receive(10, milliseconds(100))) {
        seen.insert(in.bytes);
        tags.push_back(in.tag);
      }
      subscriber->acknowledge(tags);
    }
  EXPECT_EQ(seen.size(), 20U);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 20U);
}

TEST_P(PlatformContract, HoldsNoMoreThanThePrefetch) {
  const auto subscriber = engine_->make_subscriber("q", 2);
  for (int i = 0; i < 5; ++i) publish(std::to_string(i));
  const auto first = receive(*subscriber, 2);
  EXPECT_TRUE(is_empty(*subscriber));
  const std::vector<std::uint64_t> tags{first.at(0).tag};
  subscriber->acknowledge(tags);
  const auto third = receive(*subscriber, 1);
  EXPECT_THAT(bytes_of({first.at(0), first.at(1), third.at(0)}), testing::IsSubsetOf({"0", "1", "2", "3", "4"}));
  if (engine_->capabilities().keeps_order) {
    EXPECT_EQ(third.at(0).bytes, "2");
  }
  EXPECT_TRUE(is_empty(*subscriber));
}

TEST_P(PlatformContract, WhatIsAcknowledgedIsGone) {
  auto subscriber = engine_->make_subscriber("q", 10);
  publish("1");
  const auto got = receive(*subscriber, 1);
  const std::vector<std::uint64_t> tags{got.at(0).tag};
  subscriber->acknowledge(tags);
  subscriber.reset();
  EXPECT_TRUE(is_empty(*engine_->make_subscriber("q", 10)));
}

TEST_P(PlatformContract, WhatIsNotAcknowledgedIsDeliveredAgain) {
  auto subscriber = engine_->make_subscriber("q", 10);
  publish("1");
  receive(*subscriber, 1);
  subscriber.reset();
  EXPECT_THAT(bytes_of(receive(*engine_->make_subscriber("q", 10), 1)), ElementsAre("1"));
}

TEST_P(PlatformContract, WhatIsGivenBackIsDeliveredAgain) {
  if (!engine_->capabilities().gives_back) GTEST_SKIP() << "the engine does not give back; the sweeper does";
  const auto subscriber = engine_->make_subscriber("q", 10);
  publish("1");
  const auto got = receive(*subscriber, 1);
  const std::vector<std::uint64_t> tags{got.at(0).tag};
  subscriber->give_back(tags);
  EXPECT_THAT(bytes_of(receive(*subscriber, 1)), ElementsAre("1"));
}

TEST_P(PlatformContract, TagsThatItDoesNotKnowAreIgnored) {
  const auto subscriber = engine_->make_subscriber("q", 10);
  const std::vector<std::uint64_t> tags{12'345};
  subscriber->acknowledge(tags);
  subscriber->give_back(tags);
  publish("1");
  EXPECT_THAT(bytes_of(receive(*subscriber, 1)), ElementsAre("1"));
}

TEST_P(PlatformContract, KnowsTheDepthOfAQueue) {
  EXPECT_EQ(publisher_->depth("nobody-has-heard-of-this"), 0U);
  for (int i = 0; i < 5; ++i) publish(std::to_string(i));
  EXPECT_EQ(publisher_->depth("q"), 5U);
}

TEST_P(PlatformContract, ReceiveReturnsEmptyWhenTheTimeIsOver) {
  EXPECT_TRUE(engine_->make_subscriber("q", 10)->receive(1, milliseconds(1)).empty());
}

TEST_P(PlatformContract, ReceiveReturnsAsSoonAsOneIsThere) {
  const auto subscriber = engine_->make_subscriber("q", 10);
  std::thread later([&] { publish("1"); });
  EXPECT_EQ(receive(*subscriber, 1).size(), 1U);
  later.join();
}

TEST_P(PlatformContract, CarriesAnyBytes) {
  const std::vector<std::string> bodies{"", std::string("\0\xff\n", 3), std::string(1 << 20, 'x')};
  for (const auto& body : bodies) publish(body);
  EXPECT_THAT(bytes_of(receive(*engine_->make_subscriber("q", 10), 3)), are(bodies));
}

TEST_P(PlatformContract, PublishersAndSubscribersOnManyThreadsLoseNothing) {
  constexpr int publishers = 3, each = 500;
  // As at the start of a process: a queue that is just being made by many at once may refuse some of them.
  const std::vector<std::string> queues{"q"};
  engine_->check(queues, {});
  std::vector<std::thread> threads;
  for (int p = 0; p < publishers; ++p)
    threads.emplace_back([&, p] {
      const auto own = engine_->make_publisher();
      for (int i = 0; i < each; ++i) {
        const std::vector<outgoing> batch{{"q", std::to_string(p * each + i)}};
        own->publish(batch);
      }
    });
  const auto subscriber = engine_->make_subscriber("q", publishers * each);
  const auto all = receive(*subscriber, publishers * each);
  for (auto& thread : threads) thread.join();
  std::set<std::string> seen;
  for (const auto& in : all) seen.insert(in.bytes);
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(publishers * each));
}

TEST_P(PlatformContract, ASubscriberThatIsClosedAndOpenedAgainGoesOn) {
  for (int i = 0; i < 30; ++i) publish(std::to_string(i));
  std::set<std::string> acknowledged;
  while (acknowledged.size() < 30) {
    const auto subscriber = engine_->make_subscriber("q", 10);
    const auto got = subscriber->receive(5, milliseconds(2'000));
    ASSERT_FALSE(got.empty());
    // Half of what was received is acknowledged; the rest must come again.
    for (std::size_t i = 0; i < got.size(); i += 2) {
      const std::vector<std::uint64_t> tags{got[i].tag};
      subscriber->acknowledge(tags);
      EXPECT_TRUE(acknowledged.insert(got[i].bytes).second) << "acknowledged, and delivered again";
    }
  }
}

TEST_P(PlatformContract, TenSubscribersClosedAtOnceLoseNothing) {
  constexpr std::size_t all = 100;
  for (std::size_t i = 0; i < all; ++i) publish(std::to_string(i));
  {
    std::vector<std::unique_ptr<queue_subscriber>> subscribers;
    for (int i = 0; i < 10; ++i) subscribers.push_back(engine_->make_subscriber("q", 10));
    for (auto& subscriber : subscribers) subscriber->receive(10, milliseconds(200));
    std::vector<std::thread> closing;
    for (auto& subscriber : subscribers) closing.emplace_back([&] { subscriber.reset(); });
    for (auto& thread : closing) thread.join();
  }
  std::set<std::string> seen;
  for (const auto& in : receive(*engine_->make_subscriber("q", all), all)) seen.insert(in.bytes);
  EXPECT_EQ(seen.size(), all);
}

TEST_P(PlatformContract, AcknowledgesInAnyOrder) {
  auto subscriber = engine_->make_subscriber("q", 10);
  for (int i = 0; i < 6; ++i) publish(std::to_string(i));
  const auto got = receive(*subscriber, 6);
  ASSERT_EQ(got.size(), 6U);
  const std::vector<std::uint64_t> some{got[4].tag, got[0].tag, got[1].tag};
  subscriber->acknowledge(some);
  const std::vector<std::uint64_t> one{got[3].tag};
  subscriber->acknowledge(one);
  subscriber.reset();
  const auto again = engine_->make_subscriber("q", 10);
  EXPECT_THAT(bytes_of(receive(*again, 2)), testing::UnorderedElementsAre(got[2].bytes, got[5].bytes));
  EXPECT_TRUE(is_empty(*again)) << "acknowledged, and delivered again";
}

TEST_P(PlatformContract, ReceivesNothingWhereThereIsNoRoom) {
  const auto subscriber = engine_->make_subscriber("q", 2);
  publish("1");
  EXPECT_TRUE(subscriber->receive(0, milliseconds(0)).empty());
  EXPECT_THAT(bytes_of(receive(*subscriber, 1)), ElementsAre("1"));
}

TEST_P(PlatformContract, ChecksAtAStart) {
  const std::vector<std::string> queues{"q", "r"};
  EXPECT_NO_THROW(engine_->check(queues, queues));
}

INSTANTIATE_TEST_SUITE_P(
    Drivers, PlatformContract,
    testing::Values(driver{"embedded", [](surroundings&) { return queue_system::make_embedded(); }},
                    rabbitmq("rabbitmq_quorum", queue_type::quorum), rabbitmq("rabbitmq_classic", queue_type::classic),
                    rabbitmq("rabbitmq_transient", queue_type::transient)),
    [](const auto& suite) { return suite.param.name; });

#ifdef AMC_WITH_KAFKA
INSTANTIATE_TEST_SUITE_P(Kafka, PlatformContract,
                         testing::Values(kafka("kafka_1_partition", 1), kafka("kafka_6_partitions", 6)),
                         [](const auto& suite) { return suite.param.name; });
#endif

}  // namespace
}  // namespace amc
