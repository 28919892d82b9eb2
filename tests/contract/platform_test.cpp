#include "amc/platform.hpp"

#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "queue_system/embedded/embedded.hpp"

/// What every queue engine must do. A new driver is one more line at the end.
namespace amc {
namespace {

using testing::ElementsAre;

struct driver {
  std::string name;
  std::function<std::shared_ptr<platform>()> make;
};

class PlatformContract : public testing::TestWithParam<driver> {
 protected:
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

  static std::vector<std::string> bytes_of(const std::vector<incoming>& batch) {
    std::vector<std::string> all;
    for (const auto& in : batch) all.push_back(in.bytes);
    return all;
  }

  static bool is_empty(queue_subscriber& from) { return from.receive(1, milliseconds(50)).empty(); }

  std::shared_ptr<platform> engine_ = GetParam().make();
  std::unique_ptr<queue_publisher> publisher_ = engine_->make_publisher();
};

TEST_P(PlatformContract, DeliversInOrderToOneSubscriber) {
  const auto subscriber = engine_->make_subscriber("q", 10);
  for (const auto* bytes : {"1", "2", "3"}) publish(bytes);
  EXPECT_THAT(bytes_of(receive(*subscriber, 3)), ElementsAre("1", "2", "3"));
}

TEST_P(PlatformContract, KeepsWhatIsPublishedBeforeAnybodySubscribes) {
  publish("early");
  const auto subscriber = engine_->make_subscriber("q", 10);
  EXPECT_THAT(bytes_of(receive(*subscriber, 1)), ElementsAre("early"));
}

TEST_P(PlatformContract, PublishesABatchOverManyQueues) {
  const std::vector<outgoing> batch{{"q", "1"}, {"r", "2"}, {"q", "3"}};
  publisher_->publish(batch);
  EXPECT_THAT(bytes_of(receive(*engine_->make_subscriber("q", 10), 2)), ElementsAre("1", "3"));
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
  EXPECT_THAT(bytes_of(receive(*subscriber, 1)), ElementsAre("2"));
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
  EXPECT_EQ(bytes_of(receive(*engine_->make_subscriber("q", 10), 3)), bodies);
}

TEST_P(PlatformContract, PublishersAndSubscribersOnManyThreadsLoseNothing) {
  constexpr int publishers = 3, each = 500;
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

INSTANTIATE_TEST_SUITE_P(Drivers, PlatformContract, testing::Values(driver{"embedded", queue_system::make_embedded}),
                         [](const auto& suite) { return suite.param.name; });

}  // namespace
}  // namespace amc
