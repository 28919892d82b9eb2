#include <gmock/gmock.h>

#include <future>
#include <optional>
#include <set>
#include <thread>

#include "core/error.hpp"
#include "queue_system/kafka/kafka.hpp"
#include "tests/contract/queue_users.hpp"
#include "tests/support/engine_place.hpp"
#include "tests/support/kafka.hpp"
#include "tests/support/tcp_proxy.hpp"
#include "tests/support/test_server.hpp"

/// What the driver must do while its server is away, frozen, restarted or cut off, and what it says of one that cannot
/// be used.
namespace amc {
namespace {

using queue_system::kafka_options;
using queue_system::make_kafka;
using testing::HasSubstr;
using tests::failure_of;
using tests::numbered;
using tests::publish_stubbornly;
using tests::restarted_at;
using tests::seen_of;
using tests::stubborn_consumer;
using tests::test_server;

class KafkaServer : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = tests::why_no_kafka(); !why.empty()) GTEST_SKIP() << why;
  }

  static kafka_options quick(kafka_options options) {
    options.answer_timeout = milliseconds(2'000);
    options.session_timeout = milliseconds(2'000);
    return options;
  }

  /// Over TLS, as that user; the server's certificate is of its own authority.
  static kafka_options as(const std::string& user, const std::string& password, kafka_options options) {
    options.brokers = std::getenv("AMC_TEST_KAFKA_SASL_BROKERS");
    options.properties = {{"security.protocol", "SASL_SSL"},
                          {"sasl.mechanism", "PLAIN"},
                          {"sasl.username", user},
                          {"sasl.password", password},
                          {"ssl.ca.location", std::getenv("AMC_TEST_KAFKA_CA_FILE")}};
    return options;
  }

  static std::vector<incoming> receive(queue_subscriber& from, std::size_t count) {
    std::vector<incoming> all;
    for (int rounds = 0; rounds < 100 && all.size() < count; ++rounds)
      for (auto& in : from.receive(count - all.size(), milliseconds(200))) all.push_back(std::move(in));
    return all;
  }

  const std::vector<std::string> names_{"q"};
};

TEST_F(KafkaServer, RestartedAtAThirdAndAtHalfOf10000MessagesLosesNone) {
  test_server server("kafka");
  const auto engine = make_kafka(quick(tests::kafka_queues(server.told("brokers")).options()));
  constexpr int all = 10'000;
  EXPECT_EQ(seen_of(*engine, all, 100, restarted_at(server, 3'300, 5'000)), all);
}

TEST_F(KafkaServer, AFrozenServerIsAnErrorInTimeAndForgottenWhenItThaws) {
  test_server server("kafka");
  const auto engine = make_kafka(quick(tests::kafka_queues(server.told("brokers")).options()));
  const auto publisher = engine->make_publisher();
  const auto subscriber = engine->make_subscriber("q", 10);
  publisher->publish(numbered(0, 1));
  ASSERT_EQ(receive(*subscriber, 1).size(), 1U);
  server.freeze();
  EXPECT_EQ(failure_of([&] { publisher->publish(numbered(1, 2)); }).why(), unavailable::reason::away);
  EXPECT_EQ(failure_of([&] { publisher->depth("q"); }).why(), unavailable::reason::away);
  server.thaw();
  publish_stubbornly(*publisher, numbered(1, 2));
}

TEST_F(KafkaServer, OneThatIsAwayIsAnErrorAndNoHang) {
  auto options = quick(tests::kafka_queues().options());
  options.brokers = "127.0.0.1:1";
  const auto engine = make_kafka(options);
  tests::expect_away(*engine);
}

/// Two servers that know nothing of each other are like a cluster of which one has been cut off from the others, and
/// not from its clients: each says that it leads the group.
TEST_F(KafkaServer, AMemberThatHearsNothingFindsOutThatAnotherServerLeadsItsGroup) {
  test_server one("kafka"), other("kafka");
  const tests::kafka_queues queues(one.told("brokers") + "," + other.told("brokers"));
  const auto subscriber = make_kafka(quick(queues.options()))->make_subscriber("q", 10);
  const auto failed = failure_of([&] {
    for (int round = 0; round < 5; ++round) receive(*subscriber, 1);  // whom it asks is chance
  });
  EXPECT_EQ(failed.why(), unavailable::reason::away);
  EXPECT_THAT(failed.what(), HasSubstr("does not know this subscriber"));
}

TEST_F(KafkaServer, AMemberThatHearsNothingSinceThereIsNothingStaysOne) {
  tests::kafka_queues queues;
  auto options = quick(queues.options());
  options.session_timeout = milliseconds(1'000);
  const auto engine = make_kafka(options);
  const auto subscriber = engine->make_subscriber("q", 10);
  for (int round = 0; round < 15; ++round) EXPECT_TRUE(subscriber->receive(1, milliseconds(200)).empty());
  engine->make_publisher()->publish(numbered(0, 1));
  EXPECT_EQ(receive(*subscriber, 1).size(), 1U);
}

TEST_F(KafkaServer, SpeaksTlsAndSasl) {
  tests::kafka_queues queues;
  const auto engine = make_kafka(as("amc", "amc", queues.options()));
  engine->check(names_, names_);
  engine->make_publisher()->publish(numbered(0, 1));
  EXPECT_EQ(receive(*engine->make_subscriber("q", 1), 1).size(), 1U);
}

TEST_F(KafkaServer, AWrongPasswordIsRefusedAndNotTold) {
  const auto engine = make_kafka(as("amc", "secret", quick(tests::kafka_queues().options())));
  const auto failed = failure_of([&] { engine->check({}, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(),
              testing::AllOf(HasSubstr("queue_system.kafka.properties"), testing::Not(HasSubstr("secret"))));
}

TEST_F(KafkaServer, ACertificateOfAStrangerIsRefused) {
  auto options = as("amc", "amc", quick(tests::kafka_queues().options()));
  options.properties["ssl.ca.location"] = "/etc/ssl/certs/ca-certificates.crt";
  EXPECT_EQ(failure_of([&] { make_kafka(options)->check({}, {}); }).why(), unavailable::reason::refused);
}

TEST_F(KafkaServer, AMissingRightIsNamedAtTheStart) {
  struct right {
    std::string name, told;
    bool of_publisher;
  };
  for (const auto& missing : std::vector<right>{
           {"write", "writing to topic", true}, {"read", "reading topic", false}, {"group", "group", false}}) {
    SCOPED_TRACE(missing.name);
    tests::kafka_queues queues;
    make_kafka(queues.options())->check(names_, {});
    queues.deny("weak", missing.name);
    const auto engine = make_kafka(as("weak", "weak", queues.options()));
    const auto check = [&](bool publishes) {
      return failure_of([&] {
        if (publishes)
          engine->check(names_, {});
        else
          engine->check({}, names_);
      });
    };
    // A new rule takes a moment to arrive at the server that keeps it.
    auto failed = check(missing.of_publisher);
    for (int again = 0; again < 100 && failed.why() == unavailable::reason::broken; ++again)
      failed = check(missing.of_publisher);
    EXPECT_EQ(failed.why(), unavailable::reason::refused);
    EXPECT_THAT(failed.what(), testing::AllOf(HasSubstr(missing.told), HasSubstr(queues.prefix() + "q"),
                                              HasSubstr("queue_system.kafka.properties")));
    EXPECT_EQ(check(!missing.of_publisher).why(), unavailable::reason::broken) << "the other needs it not";
  }
}

TEST_F(KafkaServer, WhoMayNotMakeATopicIsToldAtTheStartUnlessItIsThere) {
  test_server server("kafka", {"--conf", "allow.everyone.if.no.acl.found=false"});
  tests::kafka_queues queues(server.told("brokers"));
  queues.deny("weak", "create");
  auto options = as("weak", "weak", queues.options());
  options.brokers = server.told("sasl_brokers");
  options.properties["ssl.ca.location"] = server.told("ca_file");
  const auto engine = make_kafka(options);
  const auto failed = failure_of([&] { engine->check(names_, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), testing::AllOf(HasSubstr("making topic \"" + queues.prefix() + "q\""),
                                            HasSubstr("queue_system.kafka.properties")));
  queues.make_other("q", 1, "delete");
  EXPECT_NO_THROW(engine->check(names_, names_));
}

/// A server whose every word goes through a proxy.
class KafkaMisquoted : public KafkaServer {
 protected:
  void SetUp() override {
    KafkaServer::SetUp();
    if (IsSkipped()) return;
    const auto address = "127.0.0.1:" + std::to_string(proxy_.port());
    server_.emplace("kafka", std::vector<std::string>{"--conf", "advertised.listeners=PLAINTEXT://" + address});
    proxy_.set_target(server_->port());
    queues_.emplace(address);
  }

  static constexpr int always = 1'000;
  tests::tcp_proxy proxy_{1, 1};
  std::optional<test_server> server_;
  std::optional<tests::kafka_queues> queues_;
};

TEST_F(KafkaMisquoted, APublisherWhoseProducerDiesGoesOnWithAnotherAndLosesNothing) {
  const auto engine = make_kafka(queues_->options());
  const auto publisher = engine->make_publisher();
  publisher->publish(numbered(0, 1));
  // What a producer is told of its events: the topic, one partition, the first, and the error.
  const auto told = queues_->prefix() + "q" + std::string("\0\0\0\1\0\0\0\0", 8);
  const std::string no_error("\0\0", 2), out_of_order_sequence_number("\0\x2d", 2);
  proxy_.misquote(told + no_error, told + out_of_order_sequence_number);
  publisher->publish(numbered(1, 101));
  publisher->publish(numbered(101, 102));
  const auto subscriber = engine->make_subscriber("q", 1'000);
  std::set<std::string> seen;
  while (seen.size() < 102) {
    const auto got = receive(*subscriber, 1);
    ASSERT_FALSE(got.empty()) << "only " << seen.size() << " came";
    seen.insert(got[0].bytes);
  }
}

TEST_F(KafkaMisquoted, OneThatMakesNoTopicsIsRefusedUnlessTheyAreThere) {
  // The request, and its first and last version.
  const std::string create_topics("\0\x13", 2), as_it_is("\0\0\0\x07", 4), later("\0\x20\0\x20", 4);
  const auto misquote = [&](int times) { proxy_.misquote(create_topics + as_it_is, create_topics + later, times); };
  misquote(always);
  const auto engine = make_kafka(queues_->options());
  const auto failed = failure_of([&] { engine->check(names_, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused) << failed.what();
  EXPECT_THAT(failed.what(), testing::AllOf(HasSubstr("making topic"), HasSubstr("queue_system.kafka.brokers")));
  misquote(0);
  queues_->make_other("q", 1, "delete");
  misquote(always);
  EXPECT_NO_THROW(engine->check(names_, names_));
}

TEST_F(KafkaMisquoted, OneThatJoinsGroupsOtherwiseIsRefused) {
  const std::string join_group("\0\x0b", 2), as_it_is("\0\0\0\x09", 4), later("\0\6\0\x09", 4);
  proxy_.misquote(join_group + as_it_is, join_group + later, always);
  const auto subscriber = make_kafka(queues_->options())->make_subscriber("q", 1);
  const auto failed = failure_of([&] {
    for (int rounds = 0; rounds < 50; ++rounds) subscriber->receive(1, milliseconds(200));
  });
  EXPECT_EQ(failed.why(), unavailable::reason::refused) << failed.what();
  EXPECT_THAT(failed.what(), testing::AllOf(HasSubstr("queue_system.kafka.brokers"), HasSubstr("2.4")));
}

TEST_F(KafkaServer, ACheckPublishesAndReceivesNothing) {
  tests::kafka_queues queues;
  const auto engine = make_kafka(queues.options());
  const auto publisher = engine->make_publisher();
  publisher->publish(numbered(0, 3));
  engine->check(names_, names_);
  EXPECT_EQ(publisher->depth("q"), 3U);
}

TEST_F(KafkaServer, ATopicWithOtherPartitionsIsUsedAsItIs) {
  tests::kafka_queues queues;
  queues.make_other("q", 3, "delete");
  const auto engine = make_kafka(queues.options());
  engine->check(names_, names_);
  const auto publisher = engine->make_publisher();
  for (int i = 0; i < 30; ++i) publisher->publish(numbered(i, i + 1));
  EXPECT_EQ(publisher->depth("q"), 30U);
  EXPECT_EQ(receive(*engine->make_subscriber("q", 30), 30).size(), 30U);
}

TEST_F(KafkaServer, ACompactedTopicIsRefused) {
  tests::kafka_queues queues;
  queues.make_other("q", 1, "compact");
  const auto failed =
      failure_of([&] { make_kafka(quick(queues.options()))->make_publisher()->publish(numbered(0, 1)); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), HasSubstr("cleanup.policy"));
}

TEST_F(KafkaServer, MoreCopiesThanServersAreRefused) {
  auto options = tests::kafka_queues().options();
  options.replication = 2;
  const auto failed = failure_of([&] { make_kafka(options)->check(names_, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), HasSubstr("queue_system.kafka.replication"));
}

TEST_F(KafkaServer, AnEventThatIsTooLargeIsRefusedAndTheOthersArrive) {
  tests::kafka_queues queues;
  const auto engine = make_kafka(queues.options());
  const auto publisher = engine->make_publisher();
  const std::vector<outgoing> batch{{"q", "1"}, {"q", std::string(3 << 20, 'x')}, {"q", "2"}};
  const auto failed = failure_of([&] { publisher->publish(batch); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), HasSubstr("message.max.bytes"));
  EXPECT_EQ(publisher->depth("q"), 2U);
}

TEST_F(KafkaServer, WhatWasHandledAboveIsKeptWhenPartitionsAreDividedAnew) {
  tests::kafka_queues queues;
  const auto engine = make_kafka(quick(queues.options()));
  const auto publisher = engine->make_publisher();
  publisher->publish(numbered(0, 10));
  auto one = engine->make_subscriber("q", 10);
  const auto got = receive(*one, 10);
  ASSERT_EQ(got.size(), 10U);
  std::vector<std::uint64_t> even;
  for (std::size_t i = 0; i < got.size(); i += 2) even.push_back(got[i].tag);
  one->acknowledge(even);
  while (publisher->depth("q") != 5U) one->receive(1, milliseconds(10));
  // The group is divided anew while half of it is unsettled: what this one keeps goes on where it was.
  const auto two = engine->make_subscriber("q", 10);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(one->receive(10, milliseconds(50)).empty());
    for (const auto& in : two->receive(10, milliseconds(50)))
      EXPECT_THAT(in.bytes, testing::AnyOf("1", "3", "5", "7", "9"));
  }
  one.reset();
  EXPECT_EQ(publisher->depth("q"), 5U);
}

TEST_F(KafkaServer, ATopicThatWasDeletedIsMadeAgainAndHeard) {
  tests::kafka_queues queues;
  const auto engine = make_kafka(quick(queues.options()));
  const auto publisher = engine->make_publisher();
  stubborn_consumer consumer(*engine, 103);
  publish_stubbornly(*publisher, numbered(0, 100));
  while (publisher->depth("q") > 0) std::this_thread::sleep_for(milliseconds(20));
  queues.remove(names_);
  auto heard = std::async(std::launch::async, [&] { consumer.join(); });
  // What is published while the topic goes may go with it: it is rung again.
  while (heard.wait_for(std::chrono::milliseconds(200)) == std::future_status::timeout)
    publish_stubbornly(*publisher, numbered(100, 103));
  EXPECT_EQ(consumer.seen.size(), 103U);
}

TEST_F(KafkaServer, WhoIsFullForLongKeepsItsPartitions) {
  tests::kafka_queues queues;
  auto options = quick(queues.options());
  options.properties["max.poll.interval.ms"] = "2500";
  const auto engine = make_kafka(options);
  engine->make_publisher()->publish(numbered(0, 3));
  const auto subscriber = engine->make_subscriber("q", 1);
  auto got = receive(*subscriber, 1);
  ASSERT_EQ(got.size(), 1U);
  const auto end = std::chrono::steady_clock::now() + milliseconds(4'000);
  while (std::chrono::steady_clock::now() < end) {
    EXPECT_TRUE(subscriber->receive(1, milliseconds(0)).empty());
    std::this_thread::sleep_for(milliseconds(100));
  }
  for (const auto* next : {"1", "2"}) {
    const std::vector<std::uint64_t> tags{got[0].tag};
    subscriber->acknowledge(tags);
    got = receive(*subscriber, 1);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].bytes, next);
  }
}
}  // namespace
}  // namespace amc
