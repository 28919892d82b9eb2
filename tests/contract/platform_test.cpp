#include "queue_system/platform.hpp"

#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "queue_system/embedded/embedded.hpp"
#include "queue_system/platforms.hpp"
#include "queue_system/registration.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/engine_place.hpp"
#include "tests/support/temporary_folder.hpp"

namespace amc::queue_system {
registration skeleton_engine();
}

/// What every queue engine must do: each that has a server, as it is configured by default and in the ways that
/// `drivers` adds.
namespace amc {
namespace {

using testing::ElementsAre;

/// What a driver under test needs: a place for its queues.
struct surroundings {
  std::unique_ptr<tests::engine_place> place{};
  std::unique_ptr<tests::temporary_folder> folder{};
};

struct driver {
  std::string name;
  std::function<std::shared_ptr<platform>(surroundings&)> make;  ///< called again: another object for the same queues
  bool may_be_refused = false;                                   ///< by a server that does not offer it
  std::string missing{};                                         ///< why it cannot be tested here
};

/// An engine as it is configured, with more settings; `name` begins with the engine's.
driver configured(const std::string& name, const std::vector<std::string>& more = {}) {
  const auto engine = name.substr(0, name.find('_'));
  return {.name = name,
          .make =
              [engine, more](surroundings& around) {
                if (!around.place) around.place = std::make_unique<tests::engine_place>(engine);
                auto sets = around.place->sets();
                sets.insert(sets.end(), more.begin(), more.end());
                return queue_system::make_platform(tests::configured(sets));
              },
          .may_be_refused = name == "rabbitmq_transient",
          .missing = tests::why_no_server(engine)};
}

/// The one of docs/adding-a-platform.md, which is in no build.
std::shared_ptr<platform> make_skeleton(surroundings& around) {
  if (!around.folder) around.folder = std::make_unique<tests::temporary_folder>();
  const auto engine = queue_system::skeleton_engine();
  auto keys = queue_system::provider();
  keys.keys.insert(keys.keys.end(), engine.keys.begin(), engine.keys.end());
  const auto settings = load_config(
      {keys}, {.folder = "/nowhere", .sets = {"queue_system.skeleton.folder=" + around.folder->path.string()}});
  return engine.make(settings);
}

/// Those that this build has.
std::vector<driver> drivers() {
  std::vector<driver> all{{"embedded", [](surroundings&) { return queue_system::make_embedded(); }},
                          {"skeleton", make_skeleton}};
  for (const auto& engine : tests::served_engine_names()) all.push_back(configured(engine));
  all.push_back(configured("rabbitmq_classic", {"queue_system.rabbitmq.queue_type=classic"}));
  all.push_back(configured("rabbitmq_transient", {"queue_system.rabbitmq.queue_type=transient"}));
  if (tests::is_built_in("nats")) all.push_back(configured("nats_memory", {"queue_system.nats.storage=memory"}));
  if (tests::is_built_in("kafka")) all.push_back(configured("kafka_1_partition", {"queue_system.kafka.partitions=1"}));
  return all;
}

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

  void TearDown() override {
    if (around_.place) around_.place->wipe({used_.begin(), used_.end()});
  }

  void publish(const std::string& bytes, const std::string& queue = "q") {
    used_.insert(queue);
    const std::vector<outgoing> batch{{queue, bytes}};
    publisher_->publish(batch);
  }

  void publish_numbers(int count, const std::string& queue = "q") {
    for (int i = 0; i < count; ++i) publish(std::to_string(i), queue);
  }

  static void acknowledge(queue_subscriber& of, const std::vector<incoming>& batch) { of.acknowledge(tags_of(batch)); }

  static std::vector<std::uint64_t> tags_of(const std::vector<incoming>& batch) {
    std::vector<std::uint64_t> tags;
    for (const auto& in : batch) tags.push_back(in.tag);
    return tags;
  }

  /// Whether everything comes to this depth; an engine may take a moment to count.
  bool becomes(std::size_t depth) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (publisher_->depth("q") != depth) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return true;
  }

  /// Receives until `count` are there or nothing comes for a while.
  static std::vector<incoming> receive(queue_subscriber& from, std::size_t count) {
    std::vector<incoming> all;
    while (all.size() < count) {
      auto batch = from.receive(count - all.size(), milliseconds(10'000));
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

  std::set<std::string> used_;  ///< queues
  surroundings around_;
  std::shared_ptr<platform> engine_ = GetParam().missing.empty() ? GetParam().make(around_) : nullptr;
  std::unique_ptr<queue_publisher> publisher_ = engine_ ? engine_->make_publisher() : nullptr;
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

TEST_P(PlatformContract, ChecksNothingWhereNothingIsUsed) {
  EXPECT_NO_THROW(engine_->check({}, {}));
}

TEST_P(PlatformContract, ACheckLeavesWhatIsThereWhereItIs) {
  const std::vector<std::string> queues{"q"};
  publish_numbers(3);
  engine_->check(queues, queues);
  engine_->check(queues, queues);
  EXPECT_THAT(bytes_of(receive(*engine_->make_subscriber("q", 10), 3)), are({"0", "1", "2"}));
}

TEST_P(PlatformContract, QueuesWhoseNamesAreAlikeAreApart) {
  const std::vector<std::string> names{"a.b", "a_b", "a-b", "a=2Eb", "a%2Eb", "A.B", "a..b", ".a.b", "a b", "a*", "a>"};
  for (const auto& name : names) publish(name, name);
  for (const auto& name : names)
    EXPECT_THAT(bytes_of(receive(*engine_->make_subscriber(name, 10), 1)), ElementsAre(name));
}

TEST_P(PlatformContract, NamesOfEveryLengthAreApart) {
  // The longest that queues may have, and that those of older routes have; dots are what engines encode.
  const std::vector<std::string> names{"a",
                                       std::string(100, 'a'),
                                       std::string(99, 'a') + "b",
                                       std::string(100, '.') + "a",
                                       std::string(200, 'a'),
                                       std::string(199, '.') + "a",
                                       std::string(199, '.') + "b"};
  for (std::size_t i = 0; i < names.size(); ++i) publish(std::to_string(i), names[i]);
  for (std::size_t i = 0; i < names.size(); ++i)
    EXPECT_THAT(bytes_of(receive(*engine_->make_subscriber(names[i], 10), 1)), ElementsAre(std::to_string(i)));
}

TEST_P(PlatformContract, ASubscriberHearsItsQueueAlone) {
  const auto subscriber = engine_->make_subscriber("q", 10);
  publish("other", "r");
  EXPECT_TRUE(is_empty(*subscriber));
  publish("own");
  EXPECT_THAT(bytes_of(receive(*subscriber, 1)), ElementsAre("own"));
}

TEST_P(PlatformContract, PublishesNothingWhereThereIsNothing) {
  publisher_->publish({});
  EXPECT_EQ(publisher_->depth("q"), 0U);
}

TEST_P(PlatformContract, PublishesABatchThatIsLargerThanItsWindow) {
  constexpr std::size_t all = 2'500;
  std::vector<outgoing> batch;
  for (std::size_t i = 0; i < all; ++i) batch.push_back({"q", std::to_string(i)});
  publisher_->publish(batch);
  const auto subscriber = engine_->make_subscriber("q", all);
  std::set<std::string> seen;
  for (const auto& in : receive(*subscriber, all)) seen.insert(in.bytes);
  EXPECT_EQ(seen.size(), all);
}

TEST_P(PlatformContract, PublishesABatchOfLargeOnes) {
  const std::vector<outgoing> batch(20, {"q", std::string(200'000, 'x')});
  publisher_->publish(batch);
  const auto got = receive(*engine_->make_subscriber("q", 20), 20);
  ASSERT_EQ(got.size(), 20U);
  for (const auto& in : got) EXPECT_EQ(in.bytes.size(), 200'000U);
}

TEST_P(PlatformContract, CarriesBytesThatLookLikeAProtocol) {
  const std::vector<std::string> bodies{
      "\r\n", "+OK\r\n", "-ERR no\r\n", "*1\r\n$4\r\nPING\r\n", "NATS/1.0 408 x\r\n\r\n",
      "+ACK", "{}",      "\"error\"",   std::string(1, '\0')};
  for (const auto& body : bodies) publish(body);
  EXPECT_THAT(bytes_of(receive(*engine_->make_subscriber("q", 20), bodies.size())), are(bodies));
}

TEST_P(PlatformContract, ReceivesNoMoreThanAsked) {
  const auto subscriber = engine_->make_subscriber("q", 10);
  publish_numbers(5);
  std::vector<std::string> all;
  while (all.size() < 5) {
    const auto some = subscriber->receive(2, milliseconds(2'000));
    ASSERT_FALSE(some.empty());
    EXPECT_LE(some.size(), 2U);
    for (const auto& in : some) all.push_back(in.bytes);
  }
  EXPECT_THAT(all, are({"0", "1", "2", "3", "4"}));
}

TEST_P(PlatformContract, WithNoTimeToWaitItTakesWhatIsThere) {
  const auto subscriber = engine_->make_subscriber("q", 10);
  EXPECT_TRUE(subscriber->receive(1, milliseconds(0)).empty());
  publish("1");
  std::vector<incoming> got;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (got.empty() && std::chrono::steady_clock::now() < deadline) got = subscriber->receive(1, milliseconds(0));
  EXPECT_THAT(bytes_of(got), ElementsAre("1"));
}

TEST_P(PlatformContract, HearsAfterItHasHeardNothingForAWhile) {
  const auto subscriber = engine_->make_subscriber("q", 10);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(is_empty(*subscriber));
    publish(std::to_string(i));
    EXPECT_THAT(bytes_of(receive(*subscriber, 1)), ElementsAre(std::to_string(i)));
  }
}

TEST_P(PlatformContract, WhatOneHoldsNoOtherGets) {
  const auto one = engine_->make_subscriber("q", 10);
  publish_numbers(3);
  ASSERT_EQ(receive(*one, 3).size(), 3U);
  EXPECT_TRUE(is_empty(*engine_->make_subscriber("q", 10)));
}

TEST_P(PlatformContract, APrefetchOfOneIsOneAtATime) {
  const auto subscriber = engine_->make_subscriber("q", 1);
  publish_numbers(3);
  std::vector<std::string> all;
  for (int i = 0; i < 3; ++i) {
    const auto got = receive(*subscriber, 1);
    ASSERT_EQ(got.size(), 1U);
    all.push_back(got[0].bytes);
    EXPECT_TRUE(is_empty(*subscriber));
    acknowledge(*subscriber, got);
  }
  EXPECT_THAT(all, are({"0", "1", "2"}));
}

TEST_P(PlatformContract, ManyEventsGoThroughASmallWindow) {
  const auto subscriber = engine_->make_subscriber("q", 3);
  publish_numbers(200);
  std::multiset<std::string> seen;
  while (seen.size() < 200) {
    const auto got = subscriber->receive(3, milliseconds(2'000));
    ASSERT_FALSE(got.empty()) << "after " << seen.size();
    for (const auto& in : got) seen.insert(in.bytes);
    acknowledge(*subscriber, got);
  }
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 200U);
}

TEST_P(PlatformContract, AcknowledgingTwiceIsAcknowledgingOnce) {
  auto subscriber = engine_->make_subscriber("q", 10);
  publish_numbers(2);
  const auto got = receive(*subscriber, 2);
  ASSERT_EQ(got.size(), 2U);
  const std::vector<std::uint64_t> first{got[0].tag};
  subscriber->acknowledge(first);
  subscriber->acknowledge(first);
  subscriber.reset();
  EXPECT_THAT(bytes_of(receive(*engine_->make_subscriber("q", 10), 1)), ElementsAre(got[1].bytes));
}

TEST_P(PlatformContract, GivingBackTwiceIsGivingBackOnce) {
  if (!engine_->capabilities().gives_back) GTEST_SKIP() << "the engine does not give back; the sweeper does";
  const auto subscriber = engine_->make_subscriber("q", 10);
  publish("1");
  const auto tags = tags_of(receive(*subscriber, 1));
  subscriber->give_back(tags);
  subscriber->give_back(tags);
  EXPECT_THAT(bytes_of(receive(*subscriber, 1)), ElementsAre("1"));
  EXPECT_TRUE(is_empty(*subscriber));
}

TEST_P(PlatformContract, WhatWasGivenBackCannotBeAcknowledgedAnyMore) {
  if (!engine_->capabilities().gives_back) GTEST_SKIP() << "the engine does not give back; the sweeper does";
  const auto subscriber = engine_->make_subscriber("q", 10);
  publish("1");
  const auto tags = tags_of(receive(*subscriber, 1));
  subscriber->give_back(tags);
  subscriber->acknowledge(tags);
  EXPECT_THAT(bytes_of(receive(*subscriber, 1)), ElementsAre("1"));
}

TEST_P(PlatformContract, WhatWasAcknowledgedCannotBeGivenBackAnyMore) {
  const auto subscriber = engine_->make_subscriber("q", 10);
  publish("1");
  const auto tags = tags_of(receive(*subscriber, 1));
  subscriber->acknowledge(tags);
  subscriber->give_back(tags);
  EXPECT_TRUE(is_empty(*subscriber));
}

TEST_P(PlatformContract, SomeAreGivenBackAndTheOthersStay) {
  if (!engine_->capabilities().gives_back) GTEST_SKIP() << "the engine does not give back; the sweeper does";
  const auto subscriber = engine_->make_subscriber("q", 10);
  publish_numbers(4);
  const auto got = receive(*subscriber, 4);
  ASSERT_EQ(got.size(), 4U);
  const std::vector<std::uint64_t> some{got[1].tag, got[3].tag};
  subscriber->give_back(some);
  EXPECT_THAT(bytes_of(receive(*subscriber, 2)), testing::UnorderedElementsAre("1", "3"));
  EXPECT_TRUE(is_empty(*subscriber));
}

TEST_P(PlatformContract, WhatIsHeldByOneThatClosesGoesToAnother) {
  auto one = engine_->make_subscriber("q", 10);
  publish_numbers(3);
  ASSERT_EQ(receive(*one, 3).size(), 3U);
  const auto two = engine_->make_subscriber("q", 10);
  one.reset();
  EXPECT_THAT(bytes_of(receive(*two, 3)), testing::UnorderedElementsAre("0", "1", "2"));
}

TEST_P(PlatformContract, TheDepthFallsWhenTheWorkIsDone) {
  publish_numbers(5);
  const auto subscriber = engine_->make_subscriber("q", 10);
  acknowledge(*subscriber, receive(*subscriber, 5));
  // What is acknowledged may be sent a little later, and with what is asked next.
  subscriber->receive(1, milliseconds(0));
  EXPECT_TRUE(becomes(0));
}

TEST_P(PlatformContract, EachQueueHasADepthOfItsOwn) {
  publish_numbers(3);
  publish_numbers(1, "r");
  EXPECT_EQ(publisher_->depth("q"), 3U);
  EXPECT_EQ(publisher_->depth("r"), 1U);
}

TEST_P(PlatformContract, AnotherObjectOfTheEngineReachesTheSameQueues) {
  if (engine_->capabilities().in_process) GTEST_SKIP() << "its queues are its own";
  const auto other = GetParam().make(around_);
  publish("1");
  EXPECT_EQ(other->make_publisher()->depth("q"), 1U);
  EXPECT_THAT(bytes_of(receive(*other->make_subscriber("q", 10), 1)), ElementsAre("1"));
}

TEST_P(PlatformContract, SubscribersOfTwoObjectsShareAQueue) {
  if (engine_->capabilities().in_process) GTEST_SKIP() << "its queues are its own";
  const auto other = GetParam().make(around_);
  if (GetParam().name.starts_with("kafka")) GTEST_SKIP() << "shares a queue by its partitions: KafkaServer tells how";
  const auto one = engine_->make_subscriber("q", 1), two = other->make_subscriber("q", 1);
  publish_numbers(2);
  std::set<std::string> seen;
  for (int rounds = 0; rounds < 50 && seen.size() < 2; ++rounds)
    for (auto* subscriber : {one.get(), two.get()})
      for (const auto& in : subscriber->receive(1, milliseconds(50))) EXPECT_TRUE(seen.insert(in.bytes).second);
  EXPECT_EQ(seen.size(), 2U);
}

INSTANTIATE_TEST_SUITE_P(Drivers, PlatformContract, testing::ValuesIn(drivers()),
                         [](const auto& suite) { return suite.param.name; });

}  // namespace
}  // namespace amc
