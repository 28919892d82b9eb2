#include <gmock/gmock.h>

#include <csignal>
#include <fstream>
#include <future>
#include <sstream>

#include "queue_system/platforms.hpp"
#include "tests/contract/queue_users.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/engine_place.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/tcp_proxy.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_server.hpp"

/// What a queue engine's driver must do while its server is away, frozen, restarted, wiped or cut off, and what it says
/// of one that cannot be used. Engines are made from the configuration, as the program makes them.
namespace amc::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct engine {
  std::string name;
  std::string scheme;   ///< of its URLs
  std::string secured;  ///< the line of its server's configuration that makes "ri/ght" the password of `user`
  std::string user;
  std::string claim_key;   ///< after how long comes again what somebody held
  bool keeps_over_a_kill;  ///< what it has confirmed
};

const std::vector<engine>& engines() {
  static const std::vector<engine> all = [] {
    std::vector<engine> known{
        {"nats", "nats", "authorization { user: amc, password: \"ri/ght\" }", "amc", "ack_wait_ms", false},
        {"redis", "redis", "requirepass ri/ght", "", "claim_ms", true},
    };
    std::erase_if(known, [](const engine& each) { return !is_built_in(each.name); });
    return known;
  }();
  return all;
}

/// The engine that is configured so, with short time-outs.
std::shared_ptr<platform> made(const std::string& name, std::vector<std::string> sets) {
  for (const auto* quick : {"connect_timeout_ms=1000", "answer_timeout_ms=1000"})
    sets.push_back("queue_system." + name + "." + quick);
  return queue_system::make_platform(configured(sets));
}

std::shared_ptr<platform> made_at(const std::string& name, const std::string& url,
                                  const std::vector<std::string>& more = {}) {
  std::vector<std::string> sets{"queue_system.platform=" + name, "queue_system." + name + ".url=" + url};
  for (const auto& key : more) sets.push_back("queue_system." + name + "." + key);
  return made(name, sets);
}

std::string with_user(std::string url, const std::string& user) {
  return url.insert(url.find("://") + 3, user + "@");
}

std::uint16_t port_in(const std::string& url) {
  return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
}

std::string at(const tcp_proxy& proxy) {
  return "127.0.0.1:" + std::to_string(proxy.port());
}

class EngineServer : public testing::TestWithParam<engine> {
 protected:
  static std::shared_ptr<platform> make(const std::vector<std::string>& sets) { return made(GetParam().name, sets); }
  static std::shared_ptr<platform> at(const std::string& url) {
    return made_at(GetParam().name, url, {GetParam().claim_key + "=1000"});
  }
  static std::shared_ptr<platform> make_claiming_soon(const engine_place& place) {
    auto sets = place.sets();
    sets.push_back("queue_system." + GetParam().name + "." + GetParam().claim_key + "=1000");
    return make(sets);
  }
};

TEST_P(EngineServer, RestartedInTheMiddleLosesNothing) {
  test_server server(GetParam().name);
  const auto queue = at(server.url());
  constexpr int all = 5'000;
  const int never = all;
  const auto restarted = restarted_at(server, 1'700, GetParam().keeps_over_a_kill ? 2'500 : never);
  EXPECT_EQ(seen_of(*queue, all, 100, restarted), all);
}

TEST_P(EngineServer, KilledInTheMiddleGoesOn) {
  test_server server(GetParam().name);
  const auto queue = at(server.url());
  const auto publisher = queue->make_publisher();
  publisher->publish(numbered(0, 100));
  server.kill();
  server.start();
  publish_stubbornly(*publisher, numbered(100, 101));
  std::set<std::string> seen;
  const auto subscriber = queue->make_subscriber("q", 200);
  while (!seen.contains("100")) {
    const auto got = subscriber->receive(200, milliseconds(5'000));
    ASSERT_FALSE(got.empty());
    for (const auto& in : got) seen.insert(in.bytes);
  }
}

TEST_P(EngineServer, AFrozenServerIsAnErrorInTimeAndForgottenWhenItThaws) {
  test_server server(GetParam().name);
  const auto queue = at(server.url());
  const auto publisher = queue->make_publisher();
  const auto subscriber = queue->make_subscriber("q", 10);
  publisher->publish(numbered(0, 1));
  ASSERT_EQ(subscriber->receive(10, milliseconds(5'000)).size(), 1U);
  server.freeze();
  expect_to_take_nothing(*publisher);
  const auto deaf = failure_of([&] {
    for (;;) subscriber->receive(10, milliseconds(50));
  });
  EXPECT_EQ(deaf.why(), unavailable::reason::away);
  EXPECT_THAT(deaf.what(), HasSubstr("queue_system." + GetParam().name + ".answer_timeout_ms"));
  server.thaw();
  publish_stubbornly(*publisher, numbered(1, 2));
}

TEST_P(EngineServer, OneThatIsAwayIsAnErrorAndNoHang) {
  const auto queue = at(GetParam().scheme + "://127.0.0.1:1");
  expect_away(*queue);
}

TEST_P(EngineServer, AWrongPasswordIsRefusedAndNotTold) {
  test_server server(GetParam().name, {"--conf", GetParam().secured});
  const auto& user = GetParam().user;
  const auto failed = failure_of([&] { at(with_user(server.url(), user + ":s3cret"))->check({}, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), AllOf(HasSubstr("queue_system." + GetParam().name + ".url"), Not(HasSubstr("s3cret"))));
  const auto nameless = failure_of([&] { at(server.url())->check({}, {}); });
  EXPECT_EQ(nameless.why(), unavailable::reason::refused) << nameless.what();
  EXPECT_NO_THROW(at(with_user(server.url(), user + ":ri%2Fght"))->check({}, {}));
}

TEST_P(EngineServer, WhatIsWipedInTheMiddleIsMadeAgain) {
  const engine_place place(GetParam().name);
  const auto queue = make(place.sets());
  const auto publisher = queue->make_publisher();
  publisher->publish(numbered(0, 3));
  place.wipe();
  publisher->publish(numbered(3, 5));
  EXPECT_EQ(publisher->depth("q"), 2U);
  place.wipe();
  EXPECT_EQ(publisher->depth("q"), 0U);
}

TEST_P(EngineServer, ASubscriberWhoseQueueIsWipedHearsWhatComesThen) {
  const engine_place place(GetParam().name);
  const auto queue = make(place.sets());
  const auto publisher = queue->make_publisher();
  publisher->publish(numbered(0, 1));
  stubborn_consumer consumer(*queue, 4);
  for (int i = 1; i < 4; ++i) {
    place.wipe();
    publish_stubbornly(*publisher, numbered(i - 1, i + 1));
  }
  // Whoever publishes into what is wiped rings again: the sweeper does.
  publish_stubbornly(*publisher, numbered(0, 4));
  consumer.join();
  EXPECT_EQ(consumer.seen.size(), 4U);
}

TEST_P(EngineServer, WhatAHangingProcessHeldComesAgain) {
  const engine_place place(GetParam().name);
  const auto queue = make_claiming_soon(place);
  const auto hanging = queue->make_subscriber("q", 10);
  queue->make_publisher()->publish(numbered(0, 3));
  ASSERT_FALSE(hanging->receive(10, milliseconds(5'000)).empty());
  const auto other = queue->make_subscriber("q", 10);
  std::set<std::string> seen;
  while (seen.size() < 3)
    for (const auto& in : other->receive(10, milliseconds(100))) seen.insert(in.bytes);
}

TEST_P(EngineServer, WhatALivingProcessHoldsDoesNotComeAgain) {
  const engine_place place(GetParam().name);
  const auto queue = make_claiming_soon(place);
  const auto holding = queue->make_subscriber("q", 1);
  const auto other = queue->make_subscriber("q", 10);
  queue->make_publisher()->publish(numbered(0, 1));
  std::vector<incoming> held;
  while (held.empty()) {
    held = holding->receive(1, milliseconds(100));
    for (const auto& in : other->receive(10, milliseconds(0))) other->give_back(std::vector{in.tag});
  }
  const auto until = std::chrono::steady_clock::now() + milliseconds(2'500);
  while (std::chrono::steady_clock::now() < until) {
    holding->receive(0, milliseconds(0));
    ASSERT_TRUE(other->receive(10, milliseconds(50)).empty());
  }
}

TEST_P(EngineServer, ConnectionsCutInTheMiddleOfAReplyLoseNothing) {
  test_server server(GetParam().name);
  tcp_proxy proxy(server.port(), 7);
  const auto queue = at(GetParam().scheme + "://127.0.0.1:" + std::to_string(proxy.port()));
  constexpr int all = 2'000;
  proxy.cut_replies_within(50'000);
  EXPECT_EQ(seen_of(*queue, all, 50), all);
  EXPECT_GT(proxy.cuts(), 3);
}

TEST_P(EngineServer, ACheckTakesNothingOutOfItsQueuesAndPutsNothingIn) {
  const engine_place place(GetParam().name);
  const auto queue = make(place.sets());
  const std::vector<std::string> names{"q"};
  const auto publisher = queue->make_publisher();
  publisher->publish(numbered(0, 3));
  queue->check(names, names);
  EXPECT_EQ(publisher->depth("q"), 3U);
  EXPECT_EQ(queue->make_subscriber("q", 10)->receive(10, milliseconds(5'000)).size(), 3U);
}

TEST_P(EngineServer, AUrlThatCannotBeReadIsAMistakeOfTheConfiguration) {
  for (const auto* url :
       {"http://somewhere", "somewhere", "", "%s://h:0", "%s://h:99999", "%s://h/a/b", "%s://h?a=b"}) {
    std::string text(url);
    if (text.starts_with("%s")) text.replace(0, 2, GetParam().scheme);
    EXPECT_THROW(at(text), config_error) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, EngineServer, testing::ValuesIn(engines()),
                         [](const auto& suite) { return suite.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EngineServer);

/// What one engine alone can be refused for.
class OneEngineServer : public testing::Test {
 protected:
  void skip_without(const std::string& engine) {
    if (!is_built_in(engine)) GTEST_SKIP() << "built without " << engine;
  }
  const std::vector<std::string> names_{"q"};
};

class NatsServer : public OneEngineServer {
 protected:
  void SetUp() override { skip_without("nats"); }
};

TEST_F(NatsServer, WithoutJetStreamIsRefused) {
  test_server server("nats", {"--conf", "jetstream: false"});
  const auto failed = failure_of([&] { made_at("nats", server.url())->check(names_, names_); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), AllOf(HasSubstr("JetStream is not enabled"), HasSubstr("queue_system.nats.url")));
}

TEST_F(NatsServer, OneThatKnowsNoHeadersIsTooOld) {
  const engine_place place("nats");
  tcp_proxy proxy(port_in(place.url()), 1);
  proxy.misquote("\"headers\":true", "\"headers\":null");
  const auto failed = failure_of([&] { made_at("nats", "nats://" + at(proxy))->check({}, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), AllOf(HasSubstr("older than NATS 2.2"), HasSubstr("queue_system.nats.url")));
}

TEST_F(NatsServer, EachOfItsServersIsKnownByItsOwnName) {
  const temporary_folder folder;
  authority signer(folder.path, "ca");
  const auto with_name = [&](const std::string& name, const std::string& address) {
    signer.sign(name, address);
    const auto file = (folder.path / name).string();
    return std::vector<std::string>{"--conf",
                                    "tls { cert_file: \"" + file + ".pem\", key_file: \"" + file + ".key\" }"};
  };
  test_server one("nats", with_name("one", "DNS:localhost")), other("nats", with_name("other", "IP:127.0.0.1"));
  const auto port_of_one = std::to_string(one.port()), port_of_other = std::to_string(other.port());
  const auto check = [&](const std::string& hosts) {
    return failure_of([&] { made_at("nats", "tls://" + hosts, {"ca_file=" + signer.file()})->check({}, {}); });
  };
  const auto strange = check("127.0.0.1:" + port_of_one);
  EXPECT_EQ(strange.why(), unavailable::reason::refused) << strange.what();
  EXPECT_THAT(strange.what(), HasSubstr("queue_system.nats.ca_file"));
  const auto both = "localhost:" + port_of_one + ",127.0.0.1:" + port_of_other;
  for (auto* server : {&one, &other}) {
    server->stop();
    const auto failed = check(both);
    EXPECT_EQ(failed.why(), unavailable::reason::broken) << failed.what();
    server->start();
  }
}

TEST_F(NatsServer, AnAccountWithoutJetStreamIsRefused) {
  test_server server("nats", {"--conf",
                              "accounts: { APPS: { jetstream: enabled, users: [ { user: amc, password: weak } ] }, "
                              "OTHERS: { users: [ { user: poor, password: weak } ] } }"});
  const auto failed = failure_of([&] { made_at("nats", with_user(server.url(), "poor:weak"))->check(names_, names_); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), AllOf(HasSubstr("JetStream"), HasSubstr("queue_system.nats.url")));
}

TEST_F(NatsServer, AUserWithoutAPasswordIsAToken) {
  test_server server("nats", {"--conf", "authorization { token: s3cret }"});
  EXPECT_NO_THROW(made_at("nats", with_user(server.url(), "s3cret"))->check(names_, names_));
  const auto failed = failure_of([&] { made_at("nats", with_user(server.url(), "wrong"))->check(names_, names_); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
}

TEST_F(NatsServer, TlsThatOneSideAloneSpeaksIsRefused) {
  const temporary_folder folder;
  authority signer(folder.path, "ca");
  signer.sign("one", "IP:127.0.0.1");
  const auto file = (folder.path / "one").string();
  test_server secured("nats", {"--conf", "tls { cert_file: \"" + file + ".pem\", key_file: \"" + file + ".key\" }"});
  test_server plain("nats");
  const auto refusal = [](const std::string& scheme, const test_server& at, const std::vector<std::string>& more = {}) {
    const auto url = scheme + "127.0.0.1:" + std::to_string(at.port());
    const auto failed = failure_of([&] { made_at("nats", url, more)->check({}, {}); });
    EXPECT_EQ(failed.why(), unavailable::reason::refused) << failed.what();
    return std::string(failed.what());
  };
  EXPECT_THAT(refusal("nats://", secured), HasSubstr("queue_system.nats.ca_file")) << "it speaks TLS all the same";
  EXPECT_THAT(refusal("tls://", plain, {"ca_file=" + signer.file()}),
              HasSubstr("use nats:// in queue_system.nats.url"));
  const auto empty = (folder.path / "empty.pem").string();
  std::ofstream(empty).flush();
  EXPECT_THAT(refusal("tls://", secured, {"ca_file=" + empty}), HasSubstr("holds no certificates"));
}

TEST_F(NatsServer, AStreamWithOtherSettingsIsRefusedByName) {
  const engine_place place("nats");
  made("nats", place.sets())->check(names_, {});
  auto sets = place.sets();
  sets.push_back("queue_system.nats.storage=memory");
  const auto failed = failure_of([&] { made("nats", sets)->check(names_, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(),
              AllOf(HasSubstr("amc-test-"), HasSubstr("queue_system.nats.storage"), Not(HasSubstr("\n"))));
}

TEST_F(NatsServer, AStreamThatAnOperatorHasTunedIsTaken) {
  test_server server("nats");
  const auto check = [&] { made_at("nats", server.url(), {})->check(names_, names_); };
  check();
  const std::string tuned =
      R"({"name":"amc","subjects":["amc.*"],"retention":"workqueue","storage":"file","num_replicas":1,)"
      R"("max_consumers":-1,"max_msgs":1000,"max_bytes":-1,"discard":"new","description":"of the shop"})";
  const auto answer = asked(server.url(),
                            "CONNECT {\"verbose\":false}\r\nSUB answer 1\r\nPUB $JS.API.STREAM.UPDATE.amc answer " +
                                std::to_string(tuned.size()) + "\r\n" + tuned + "\r\n",
                            "}\r\n");
  EXPECT_THAT(answer, HasSubstr("of the shop"));
  EXPECT_NO_THROW(check());
}

/// Two servers may answer one question while a cluster changes its leader.
TEST_F(NatsServer, AnAnswerThatNobodyWaitsForIsNoEvent) {
  test_server server("nats");
  const auto queue = made_at("nats", server.url());
  const auto subscriber = queue->make_subscriber("q", 10);
  raw_connection other(port_in(server.url()));
  const auto read_until = [&other](const std::string& end) {
    std::string read;
    while (read.find(end) == std::string::npos) read += other.read_some();
    return read;
  };
  other.send("CONNECT {\"verbose\":false}\r\nSUB $JS.API.CONSUMER.MSG.NEXT.> 1\r\nPING\r\n");
  read_until("PONG\r\n");
  auto received = std::async(std::launch::async, [&] { return subscriber->receive(10, milliseconds(10'000)); });
  std::istringstream pull(read_until("}\r\n"));
  std::string word, pulled_by;
  while (pull >> word && word != "MSG") {
  }
  pull >> word >> word >> pulled_by;
  other.send("PUB " + pulled_by.substr(0, pulled_by.rfind('.')) + ".1 2\r\n{}\r\nPING\r\n");
  read_until("PONG\r\n");
  queue->make_publisher()->publish(numbered(0, 1));
  const auto got = received.get();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].bytes, "0");
}

TEST_F(NatsServer, AnEventWithHeadersOfAStrangerIsOneAllTheSame) {
  test_server server("nats");
  const auto queue = made_at("nats", server.url());
  const auto subscriber = queue->make_subscriber("q", 10);
  const std::string headers = "NATS/1.0\r\nStatus: 404\r\n\r\n";
  asked(server.url(),
        "CONNECT {\"verbose\":false,\"headers\":true}\r\nHPUB amc.q " + std::to_string(headers.size()) + " " +
            std::to_string(headers.size() + 1) + "\r\n" + headers + "x\r\nPING\r\n",
        "PONG\r\n");
  const auto got = subscriber->receive(10, milliseconds(10'000));
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].bytes, "x");
}

TEST_F(NatsServer, AStorageThatIsFullIsAwayUntilThereIsRoom) {
  test_server server("nats", {"--conf", "jetstream { store_dir: data, max_file_store: 300KB }"});
  const auto queue = made_at("nats", server.url());
  const auto publisher = queue->make_publisher();
  const std::vector<outgoing> some{{"q", std::string(50'000, 'x')}};
  unavailable failed{unavailable::reason::broken, ""};
  for (int i = 0; i < 10 && failed.why() == unavailable::reason::broken; ++i)
    failed = failure_of([&] { publisher->publish(some); });
  EXPECT_EQ(failed.why(), unavailable::reason::away);
  EXPECT_THAT(failed.what(), HasSubstr("max_file_store"));
  const auto subscriber = queue->make_subscriber("q", 100);
  for (auto got = subscriber->receive(100, milliseconds(2'000)); !got.empty();
       got = subscriber->receive(100, milliseconds(500)))
    for (const auto& in : got) subscriber->acknowledge(std::vector{in.tag});
  publish_stubbornly(*publisher, some);
}

TEST_F(NatsServer, WhatIsLargerThanItTakesIsRefusedAndWhatFollowsIsNot) {
  const engine_place place("nats");
  const auto publisher = made("nats", place.sets())->make_publisher();
  const auto failed = failure_of([&] { publisher->publish(std::vector<outgoing>{{"q", std::string(2 << 20, 'x')}}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), HasSubstr("max_payload"));
  EXPECT_NO_THROW(publisher->publish(numbered(0, 1)));
}

TEST_F(NatsServer, AMissingRightIsNamedAtTheStart) {
  const auto denied = [](const std::string& subject) {
    return "authorization { users: [ { user: amc, password: weak, permissions: { publish: { deny: \"" + subject +
           "\" } } } ] }";
  };
  {
    test_server server("nats", {"--conf", denied("amc.q")});
    const auto queue = made_at("nats", with_user(server.url(), "amc:weak"));
    const auto mute = failure_of([&] { queue->check(names_, {}); });
    EXPECT_EQ(mute.why(), unavailable::reason::refused);
    EXPECT_THAT(mute.what(), AllOf(HasSubstr("amc.q"), HasSubstr("queue_system.nats.url")));
    EXPECT_NO_THROW(queue->check({}, names_)) << "who only receives need not publish";
  }
  test_server server("nats", {"--conf", denied("$JS.API.CONSUMER.MSG.NEXT.>")});
  const auto queue = made_at("nats", with_user(server.url(), "amc:weak"));
  const auto deaf = failure_of([&] { queue->check({}, names_); });
  EXPECT_EQ(deaf.why(), unavailable::reason::refused);
  EXPECT_THAT(deaf.what(), AllOf(HasSubstr("CONSUMER.MSG.NEXT"), HasSubstr("queue_system.nats.url")));
  EXPECT_NO_THROW(queue->check(names_, {})) << "who only publishes need not receive";
}

TEST_F(NatsServer, WhoMayNotMakeTheStreamIsToldAtTheStart) {
  test_server server("nats", {"--conf",
                              "authorization { users: [ { user: amc, password: weak, permissions: { publish: { deny: "
                              "\"$JS.API.STREAM.CREATE.>\" } } } ] }"});
  const auto failed = failure_of([&] { made_at("nats", with_user(server.url(), "amc:weak"))->check(names_, names_); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), AllOf(HasSubstr("STREAM.CREATE"), HasSubstr("queue_system.nats.url")));
}

class RedisServer : public OneEngineServer {
 protected:
  void SetUp() override { skip_without("redis"); }
};

TEST_F(RedisServer, OneThatThrowsAwayWhatItWasGivenIsRefused) {
  test_server server("redis", {"--conf", "maxmemory 100mb\nmaxmemory-policy allkeys-lru"});
  const auto failed = failure_of([&] { made_at("redis", server.url())->check({}, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), AllOf(HasSubstr("allkeys-lru"), HasSubstr("set maxmemory-policy to noeviction")));
}

TEST_F(RedisServer, OneThatIsOlderThan62IsRefused) {
  const engine_place place("redis");
  const auto info = asked(place.url(), "INFO server\r\n", "\r\ntcp_port");
  const auto said = info.substr(info.find("redis_version:"), std::string_view("redis_version:7.").size());
  tcp_proxy proxy(port_in(place.url()), 1);
  proxy.misquote(said, "redis_version:5.");
  const auto failed = failure_of([&] { made_at("redis", "redis://" + at(proxy))->check({}, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), AllOf(HasSubstr("Redis 5."), HasSubstr("queue_system.redis.url")));
}

TEST_F(RedisServer, AnEventThatIsTooLargeIsRefusedAndWhatFollowsIsNot) {
  test_server server("redis", {"--conf", "proto-max-bulk-len 1mb"});
  const auto publisher = made_at("redis", server.url())->make_publisher();
  const std::vector<outgoing> large{{"q", std::string(3 << 20, 'x')}};
  const auto failed = failure_of([&] { publisher->publish(large); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused) << failed.what();
  EXPECT_THAT(failed.what(), HasSubstr("proto-max-bulk-len"));
  EXPECT_NO_THROW(publisher->publish(numbered(0, 1)));
}

TEST_F(RedisServer, OneWithoutMemoryIsAwayUntilItHasSome) {
  test_server server("redis", {"--conf", "maxmemory 4mb\nmaxmemory-policy noeviction"});
  const auto queue = made_at("redis", server.url());
  const auto publisher = queue->make_publisher();
  const std::vector<outgoing> some{{"q", std::string(200'000, 'x')}};
  unavailable failed{unavailable::reason::broken, ""};
  for (int i = 0; i < 50 && failed.why() == unavailable::reason::broken; ++i)
    failed = failure_of([&] { publisher->publish(some); });
  EXPECT_EQ(failed.why(), unavailable::reason::away);
  EXPECT_THAT(failed.what(), HasSubstr("give the server more memory (maxmemory)"));
  EXPECT_GT(publisher->depth("q"), 0U);
  asked(server.url(), "CONFIG SET maxmemory 100mb\r\n", "+OK\r\n");
  publish_stubbornly(*publisher, some);
}

TEST_F(RedisServer, TlsIsRefusedPlainly) {
  try {
    made_at("redis", "rediss://:s3cret@127.0.0.1");
    FAIL() << "it was taken";
  } catch (const config_error& failed) {
    EXPECT_THAT(failed.what(), AllOf(HasSubstr("TLS"), HasSubstr("hiredis"), Not(HasSubstr("s3cret"))));
  }
}

TEST_F(RedisServer, AKeyOfSomebodyElsesIsRefusedByName) {
  const engine_place place("redis");
  asked(place.url(), "SET amc:" + place.prefix() + "q theirs\r\n", "+OK\r\n");
  const auto failed = failure_of([&] { made("redis", place.sets())->check(names_, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), AllOf(HasSubstr("WRONGTYPE"), HasSubstr("queue_system.prefix")));
}

TEST_F(RedisServer, ADatabaseThatDoesNotExistIsRefused) {
  const engine_place place("redis");
  const auto failed = failure_of([&] { made_at("redis", place.url() + "/12345")->check({}, {}); });
  EXPECT_EQ(failed.why(), unavailable::reason::refused);
  EXPECT_THAT(failed.what(), HasSubstr("check the database in queue_system.redis.url"));
}

TEST_F(RedisServer, AMissingRightIsNamedAtTheStart) {
  test_server server("redis", {"--conf",
                               "user mute on >weak ~amc:* +@all -xadd\n"
                               "user deaf on >weak ~amc:* +@all -xreadgroup\n"
                               "user idle on >weak ~amc:* +@all -xgroup\n"
                               "user nosy on >weak ~other:* +@all"});
  const auto as = [&](const std::string& user) { return made_at("redis", with_user(server.url(), user + ":weak")); };
  const auto mute = failure_of([&] { as("mute")->check(names_, {}); });
  EXPECT_EQ(mute.why(), unavailable::reason::refused);
  EXPECT_THAT(mute.what(), AllOf(HasSubstr("xadd"), HasSubstr("queue_system.redis.url")));
  EXPECT_NO_THROW(as("mute")->check({}, names_)) << "who only receives need not publish";
  const auto deaf = failure_of([&] { as("deaf")->check({}, names_); });
  EXPECT_EQ(deaf.why(), unavailable::reason::refused);
  EXPECT_THAT(deaf.what(), AllOf(HasSubstr("xreadgroup"), HasSubstr("queue_system.redis.url")));
  EXPECT_NO_THROW(as("deaf")->check(names_, {})) << "who only publishes need not receive";
  const auto idle = failure_of([&] { as("idle")->check({}, names_); });
  EXPECT_EQ(idle.why(), unavailable::reason::refused) << "it makes no group";
  EXPECT_THAT(idle.what(), AllOf(HasSubstr("xgroup"), HasSubstr("queue_system.redis.url")));
  EXPECT_EQ(failure_of([&] { as("nosy")->check(names_, {}); }).why(), unavailable::reason::refused);
}

TEST_F(RedisServer, AGroupThatIsDestroyedIsMadeAgainWithAllThatIsInTheStream) {
  const engine_place place("redis");
  const auto queue = made("redis", place.sets());
  const auto subscriber = queue->make_subscriber("q", 10);
  queue->make_publisher()->publish(numbered(0, 2));
  ASSERT_EQ(subscriber->receive(10, milliseconds(5'000)).size(), 2U);
  asked(place.url(), "XGROUP DESTROY amc:" + place.prefix() + "q amc\r\n", ":1\r\n");
  EXPECT_EQ(subscriber->receive(10, milliseconds(5'000)).size(), 2U);
}

}  // namespace
}  // namespace amc::tests
