#include <gmock/gmock.h>

#include <thread>

#include "core/error.hpp"
#include "queue_system/rabbitmq/rabbitmq.hpp"
#include "tests/contract/queue_users.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/engine_place.hpp"
#include "tests/support/rabbitmq.hpp"
#include "tests/support/tcp_proxy.hpp"
#include "tests/support/test_server.hpp"

/// What the driver must do while its server is away, frozen, restarted or cut off.
namespace amc {
namespace {

using queue_system::make_rabbitmq;
using queue_system::rabbitmq_options;
using queue_system::rabbitmq_options_from;
using testing::HasSubstr;
using tests::failure_of;
using tests::numbered;
using tests::publish_stubbornly;
using tests::restarted_at;
using tests::seen_of;
using tests::test_server;

rabbitmq_options quick(rabbitmq_options options) {
  options.connect_timeout = milliseconds(1'000);
  options.answer_timeout = milliseconds(1'000);
  return options;
}

TEST(RabbitmqServer, RestartedAtAThirdAndAtHalfOf10000MessagesLosesNone) {
  test_server server("rabbitmq");
  const auto engine = make_rabbitmq(quick(tests::rabbitmq_queues(server.url()).options()));
  constexpr int all = 10'000;
  EXPECT_EQ(seen_of(*engine, all, 100, restarted_at(server, 3'300, 5'000)), all);
}

TEST(RabbitmqServer, AFrozenServerIsAnErrorInTimeAndForgottenWhenItThaws) {
  test_server server("rabbitmq");
  const auto engine = make_rabbitmq(quick(tests::rabbitmq_queues(server.url()).options()));
  const auto publisher = engine->make_publisher();
  const auto subscriber = engine->make_subscriber("q", 10);
  publisher->publish(numbered(0, 1));
  ASSERT_EQ(subscriber->receive(10, milliseconds(5'000)).size(), 1U);
  server.freeze();
  // Without a watchdog this hangs in the middle of a write.
  tests::expect_to_take_nothing(*publisher);
  EXPECT_TRUE(subscriber->receive(10, milliseconds(50)).empty());
  server.thaw();
  publish_stubbornly(*publisher, numbered(1, 2));
}

TEST(RabbitmqServer, ABlockedServerIsAnErrorAtOnceAndTakesAgainWhenItIsUnblocked) {
  test_server server("rabbitmq");
  const auto engine = make_rabbitmq(quick(tests::rabbitmq_queues(server.url()).options()));
  const auto publisher = engine->make_publisher();
  publisher->publish(numbered(0, 1));
  server.set_memory_watermark("0.0000001");
  EXPECT_THAT(failure_of([&] { publisher->publish(numbered(1, 2)); }).what(), HasSubstr("takes nothing to publish"));
  EXPECT_THAT(failure_of([&] { publisher->depth("q"); }).what(), HasSubstr("takes nothing to publish"));
  server.set_memory_watermark("0.4");
  publish_stubbornly(*publisher, numbered(2, 3));
  EXPECT_LE(publisher->depth("q"), 3U) << "what was tried while it was blocked does not pile up";
}

TEST(RabbitmqServer, OneThatIsAwayIsAnErrorAndNoHang) {
  auto options = quick(rabbitmq_options_from(tests::configured()));
  options.url = "amqp://guest:guest@127.0.0.1:1";
  const auto engine = make_rabbitmq(options);
  tests::expect_away(*engine);
}

TEST(RabbitmqServer, OfSeveralNodesOneThatIsThereIsEnough) {
  tests::rabbitmq_queues queues;
  auto options = quick(queues.options());
  options.url.replace(options.url.find('@') + 1, 0, "127.0.0.1:1,127.0.0.1:2,");
  const auto engine = make_rabbitmq(options);
  engine->make_publisher()->publish(numbered(0, 1));
  EXPECT_EQ(engine->make_subscriber("q", 1)->receive(1, milliseconds(2'000)).size(), 1U);
}

TEST(RabbitmqServer, AWrongPasswordIsRefusedAndNotTold) {
  tests::rabbitmq_queues queues;
  auto options = quick(queues.options());
  options.url.replace(options.url.find("guest:guest"), 11, "guest:secret");
  const auto failed = failure_of([&] { make_rabbitmq(options)->check({}, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), testing::AllOf(HasSubstr("ACCESS_REFUSED"), HasSubstr("queue_system.rabbitmq.url"),
                                            testing::Not(HasSubstr("secret"))));
}

TEST(RabbitmqServer, AVirtualHostThatDoesNotExistIsRefused) {
  tests::rabbitmq_queues queues;
  auto options = quick(queues.options());
  options.url += "/nowhere";
  const auto failed = failure_of([&] { make_rabbitmq(options)->check({}, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), HasSubstr("check the virtual host in queue_system.rabbitmq.url"));
}

TEST(RabbitmqServer, OneThatIsOlderThan38IsRefused) {
  tests::rabbitmq_queues queues;
  const auto port = static_cast<std::uint16_t>(std::stoi(queues.url().substr(queues.url().rfind(':') + 1)));
  const auto greeting = tests::asked(queues.url(), std::string("AMQP\0\0\x09\x01", 8), "\xce");
  // The field's name, its kind and the length of its text come before the text.
  const auto version = greeting.find("versionS") + 12;
  ASSERT_LT(version, greeting.size());
  const auto said = greeting.substr(version - 12, 14);
  tests::tcp_proxy proxy(port, 1);
  proxy.misquote(said, said.substr(0, 12) + "2.");
  auto options = quick(queues.options());
  options.url = "amqp://guest:guest@127.0.0.1:" + std::to_string(proxy.port());
  const auto failed = failure_of([&] { make_rabbitmq(options)->check({}, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), testing::AllOf(HasSubstr("RabbitMQ 2."), HasSubstr("queue_system.rabbitmq.url")));
}

TEST(RabbitmqServer, AnEventThatIsTooLargeIsRefusedAndWhatFollowsIsNot) {
  test_server server("rabbitmq", {"--conf", "max_message_size = 100000"});
  auto options = quick(rabbitmq_options_from(tests::configured()));
  options.url = server.url();
  const auto publisher = make_rabbitmq(options)->make_publisher();
  const std::vector<outgoing> large{{"q", std::string(200'000, 'x')}};
  const auto failed = failure_of([&] { publisher->publish(large); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), HasSubstr("max_message_size"));
  EXPECT_NO_THROW(publisher->publish(numbered(0, 1)));
}

TEST(RabbitmqServer, AQueueOfAnotherKindIsRefusedByName) {
  tests::rabbitmq_queues queues;
  queues.make_other("q");
  const std::vector<std::string> names{"q"};
  const auto failed = failure_of([&] { make_rabbitmq(quick(queues.options()))->check(names, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(),
              testing::AllOf(HasSubstr(queues.prefix() + "q"), HasSubstr("queue_system.rabbitmq.queue_type")));
}

TEST(RabbitmqServer, TransientQueuesThatItDoesNotPermitAreRefusedInOneLine) {
  std::unique_ptr<test_server> server;
  try {
    server = std::make_unique<test_server>(
        "rabbitmq", std::vector<std::string>{"--conf", "deprecated_features.permit.transient_nonexcl_queues = false"});
  } catch (const std::runtime_error& failed) {
    if (std::string(failed.what()).find("there is no setting with that name") == std::string::npos) throw;
    GTEST_SKIP() << "this RabbitMQ is older than 3.13: it always permits transient queues";
  }
  auto options = quick(rabbitmq_options_from(tests::configured()));
  options.url = server->url();
  options.type = rabbitmq_options::queue_type::transient;
  const std::vector<std::string> names{"q"};
  const auto failed = failure_of([&] { make_rabbitmq(options)->check(names, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), testing::AllOf(HasSubstr("\"q\""), HasSubstr("queue_system.rabbitmq.queue_type"),
                                            testing::Not(HasSubstr("\n"))));
  options.type = rabbitmq_options::queue_type::classic;
  EXPECT_NO_THROW(make_rabbitmq(options)->check(names, {}));
}

class RabbitmqRights : public testing::Test {
 protected:
  static rabbitmq_options as_weak(const test_server& server) {
    auto options = quick(rabbitmq_options_from(tests::configured()));
    options.url = server.url();
    options.url.replace(options.url.find("guest:guest"), 11, "weak:weak");
    return options;
  }
  test_server server_{"rabbitmq"};
  const std::vector<std::string> names_{"q"};
};

TEST_F(RabbitmqRights, AMissingRightIsNamedAtTheStart) {
  server_.set_rights_of_weak(".*", "^q$", "^q$");
  const auto engine = make_rabbitmq(as_weak(server_));
  const auto mute = failure_of([&] { engine->check(names_, {}); });
  EXPECT_EQ(mute.why(), unavailable::reason::refused);
  EXPECT_THAT(mute.what(), testing::AllOf(HasSubstr("write to amq.default"), HasSubstr("queue_system.rabbitmq.url")));
  EXPECT_NO_THROW(engine->check({}, names_)) << "who only receives need not publish";
  server_.set_rights_of_weak(".*", ".*", "^$");
  const auto deaf = failure_of([&] { engine->check({}, names_); });
  EXPECT_EQ(deaf.why(), unavailable::reason::refused);
  EXPECT_THAT(deaf.what(), testing::AllOf(HasSubstr("read \"q\""), HasSubstr("queue_system.rabbitmq.url")));
  EXPECT_NO_THROW(engine->check(names_, {})) << "who only publishes need not receive";
}

TEST_F(RabbitmqRights, WhoMayNotMakeQueuesIsToldAtTheStart) {
  server_.set_rights_of_weak("^$", ".*", ".*");
  const auto failed = failure_of([&] { make_rabbitmq(as_weak(server_))->check(names_, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), testing::AllOf(HasSubstr("\"q\""), HasSubstr("queue_system.rabbitmq.url"),
                                            HasSubstr("right to configure")));
}

TEST_F(RabbitmqRights, WhoMayNotPublishIsToldNoDepthEither) {
  server_.set_rights_of_weak(".*", ".*", ".*");
  const auto publisher = make_rabbitmq(as_weak(server_))->make_publisher();
  publisher->publish(numbered(0, 1));
  server_.set_rights_of_weak(".*", "^$", ".*");
  // A channel remembers a user's rights until it has been idle for a second.
  while (failure_of([&] { publisher->publish(numbered(1, 2)); }).why() == unavailable::reason::broken)
    std::this_thread::sleep_for(std::chrono::milliseconds(1'200));
  EXPECT_EQ(failure_of([&] { publisher->depth("q"); }).why(), unavailable::reason::refused);
  server_.set_rights_of_weak(".*", ".*", ".*");
  publish_stubbornly(*publisher, numbered(2, 3));
  EXPECT_GE(publisher->depth("q"), 2U);
}

TEST(RabbitmqServer, ACheckTakesNothingOutOfItsQueues) {
  tests::rabbitmq_queues queues;
  const auto engine = make_rabbitmq(quick(queues.options()));
  const std::vector<std::string> names{"q"};
  const auto publisher = engine->make_publisher();
  publisher->publish(numbered(0, 3));
  engine->check(names, names);
  EXPECT_EQ(publisher->depth("q"), 3U);
  EXPECT_FALSE(queues.first_was_delivered_before("q"));
}

TEST(RabbitmqServer, AUrlThatCannotBeReadIsAMistakeOfTheConfiguration) {
  auto options = rabbitmq_options_from(tests::configured());
  options.url = "http://somewhere";
  EXPECT_THROW(make_rabbitmq(options), config_error);
}

TEST(RabbitmqServer, APrefixThatItCannotHaveIsAMistakeOfTheConfiguration) {
  rabbitmq_options options;
  options.prefix = std::string(56, 'x');
  EXPECT_THROW(make_rabbitmq(options), config_error);
  options.prefix = "amq.mine";
  EXPECT_THROW(make_rabbitmq(options), config_error);
}

TEST(RabbitmqServer, AFileWithoutCertificatesIsRefused) {
  auto options = quick({});
  options.url = "amqps://127.0.0.1:1";
  options.ca_file = "/dev/null";
  const auto failed = failure_of([&] { make_rabbitmq(options)->check({}, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), testing::HasSubstr("\"/dev/null\" holds no certificates"));
}

TEST(RabbitmqServer, AQueueThatWasDeletedIsMadeAgainByWhoPublishes) {
  tests::rabbitmq_queues queues;
  const auto engine = make_rabbitmq(quick(queues.options()));
  const auto publisher = engine->make_publisher();
  publisher->publish(numbered(0, 3));
  queues.remove({"q"});
  publisher->publish(numbered(3, 5));
  EXPECT_EQ(engine->make_subscriber("q", 10)->receive(10, milliseconds(2'000)).size(), 2U);
}

TEST(RabbitmqServer, ASubscriberWhoseQueueIsDeletedSaysSo) {
  tests::rabbitmq_queues queues;
  const auto engine = make_rabbitmq(quick(queues.options()));
  const auto subscriber = engine->make_subscriber("q", 10);
  queues.remove({"q"});
  EXPECT_THAT(failure_of([&] { subscriber->receive(10, milliseconds(5'000)); }).what(), HasSubstr("was deleted"));
}

TEST(RabbitmqServer, ASubscriberThatHearsNothingSubscribesAnewAndGoesOn) {
  tests::rabbitmq_queues queues;
  auto options = quick(queues.options());
  options.resubscribe = milliseconds(50);
  const auto engine = make_rabbitmq(options);
  const auto subscriber = engine->make_subscriber("q", 10);
  const auto publisher = engine->make_publisher();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(subscriber->receive(10, milliseconds(100)).empty());
    publisher->publish(numbered(i, i + 1));
    const auto got = subscriber->receive(10, milliseconds(5'000));
    ASSERT_EQ(got.size(), 1U);
    // What is unsettled keeps its subscription.
    std::this_thread::sleep_for(milliseconds(60));
    EXPECT_TRUE(subscriber->receive(10, milliseconds(10)).empty());
    const std::vector<std::uint64_t> tags{got[0].tag};
    subscriber->acknowledge(tags);
  }
  EXPECT_EQ(publisher->depth("q"), 0U);
}

TEST(RabbitmqServer, ConnectionsCutInTheMiddleOfAReplyLoseNothing) {
  tests::rabbitmq_queues queues;
  const auto address = queues.url().substr(queues.url().find('@') + 1);
  tests::tcp_proxy proxy(static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1))), 7);
  auto options = quick(queues.options());
  options.url = "amqp://guest:guest@127.0.0.1:" + std::to_string(proxy.port());
  const auto engine = make_rabbitmq(options);
  constexpr int all = 2'000;
  proxy.cut_replies_within(50'000);
  EXPECT_EQ(seen_of(*engine, all, 50), all);
  EXPECT_GT(proxy.cuts(), 3);
}

TEST(RabbitmqServer, APublisherThatIsClosedWhileItPublishesEnds) {
  tests::rabbitmq_queues queues;
  const auto engine = make_rabbitmq(quick(queues.options()));
  std::atomic<bool> begun = false;
  std::thread busy([&] {
    for (int i = 0; i < 20; ++i) {
      const auto publisher = engine->make_publisher();
      begun = true;
      publisher->publish(numbered(0, 500));
    }
  });
  while (!begun) std::this_thread::yield();
  const auto other = engine->make_publisher();
  other->publish(numbered(0, 1));
  busy.join();
  EXPECT_EQ(other->depth("q"), 10'001U);
}

TEST(RabbitmqServer, SpeaksTls) {
  const char* url = std::getenv("AMC_TEST_RABBITMQ_TLS_URL");
  const char* ca_file = std::getenv("AMC_TEST_RABBITMQ_CA_FILE");
  if (!url || !ca_file) GTEST_SKIP() << "the server has no TLS listener (AMC_TEST_RABBITMQ_TLS_URL, _CA_FILE)";
  tests::rabbitmq_queues queues;
  auto options = quick(queues.options());
  options.url = url;
  options.ca_file = ca_file;
  const auto engine = make_rabbitmq(options);
  engine->make_publisher()->publish(numbered(0, 1));
  EXPECT_EQ(engine->make_subscriber("q", 1)->receive(1, milliseconds(5'000)).size(), 1U);
}

TEST(RabbitmqServer, SpeaksTlsWithAnAddressThatItsCertificateHas) {
  const char* url = std::getenv("AMC_TEST_RABBITMQ_TLS_URL");
  const char* ca_file = std::getenv("AMC_TEST_RABBITMQ_CA_FILE");
  if (!url || !ca_file) GTEST_SKIP() << "the server has no TLS listener (AMC_TEST_RABBITMQ_TLS_URL, _CA_FILE)";
  auto options = quick(rabbitmq_options_from(tests::configured()));
  options.url = url;
  options.ca_file = ca_file;
  const auto with_host = [&](const std::string& host) {
    auto other = options;
    const auto name = other.url.find("localhost");
    if (name == std::string::npos) throw std::logic_error("the server is known by another name: " + other.url);
    other.url.replace(name, std::string_view("localhost").size(), host);
    return make_rabbitmq(other);
  };
  EXPECT_NO_THROW(with_host("127.0.0.1")->check({}, {}));
  // The same socket, by an address that the certificate does not have.
  EXPECT_EQ(failure_of([&] { with_host("[::ffff:127.0.0.1]")->check({}, {}); }).why(), unavailable::reason::refused);
}

TEST(RabbitmqServer, ACertificateOfAStrangerIsRefused) {
  const char* url = std::getenv("AMC_TEST_RABBITMQ_TLS_URL");
  if (!url) GTEST_SKIP() << "the server has no TLS listener (AMC_TEST_RABBITMQ_TLS_URL)";
  auto options = quick(rabbitmq_options_from(tests::configured()));
  options.url = url;
  options.ca_file = "/etc/ssl/certs/ca-certificates.crt";
  EXPECT_EQ(failure_of([&] { make_rabbitmq(options)->check({}, {}); }).why(), unavailable::reason::refused);
}

TEST(RabbitmqServer, TlsAtThePlainPortAndTheReverseAreRefused) {
  const char* with_tls = std::getenv("AMC_TEST_RABBITMQ_TLS_URL");
  if (!with_tls) GTEST_SKIP() << "the server has no TLS listener (AMC_TEST_RABBITMQ_TLS_URL)";
  auto options = quick(tests::rabbitmq_queues().options());
  options.verify = false;
  options.url.replace(0, 4, "amqps");
  const auto to_plain = failure_of([&] { make_rabbitmq(options)->check({}, {}); });
  EXPECT_EQ(to_plain.why(), unavailable::reason::refused);
  EXPECT_THAT(to_plain.what(), testing::AllOf(HasSubstr("queue_system.rabbitmq.url"), HasSubstr("amqp://")));
  options.url = std::string(with_tls).replace(0, 5, "amqp");
  const auto to_tls = failure_of([&] { make_rabbitmq(options)->check({}, {}); });
  EXPECT_EQ(to_tls.why(), unavailable::reason::refused);
  EXPECT_THAT(to_tls.what(), testing::AllOf(HasSubstr("queue_system.rabbitmq.url"), HasSubstr("amqps://")));
}

}  // namespace
}  // namespace amc
