#include <gmock/gmock.h>

#include <csignal>

#include "tests/support/binary.hpp"
#include "tests/support/postgresql.hpp"
#include "tests/support/rabbitmq.hpp"
#include "tests/support/stubborn_client.hpp"
#include "tests/support/tcp_proxy.hpp"
#include "tests/support/test_server.hpp"

/// Broker, services and requester as processes of their own, over PostgreSQL and RabbitMQ.
namespace amc::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

constexpr const char* nobody = "127.0.0.1:1";

/// A system: what its processes are configured with, and those that run.
class cluster {
 public:
  explicit cluster(std::string rabbitmq_url = "", std::string postgresql_url = "") {
    queues =
        rabbitmq_url.empty() ? std::make_unique<rabbitmq_queues>() : std::make_unique<rabbitmq_queues>(rabbitmq_url);
    if (postgresql_url.empty()) database = std::make_unique<postgresql_database>();
    sets = {"broker.store.engine=postgresql",
            "broker.store.postgresql.url=" + (database ? database->url() : postgresql_url),
            "queue_system.platform=rabbitmq", "queue_system.rabbitmq.url=" + queues->url(),
            "queue_system.prefix=" + queues->prefix(), "broker.http.port=0",
            // Short, so that what is lost comes round again soon.
            "broker.lease_ms=2000", "broker.ring_again_ms=3000"};
  }

  std::unique_ptr<process> start(const std::string& what, std::vector<std::string> more = {}) const {
    auto all = sets;
    all.insert(all.end(), more.begin(), more.end());
    return std::make_unique<process>(amc_command(folder.path, {what}, all));
  }
  std::unique_ptr<process> start_for(std::uint16_t broker_port, const std::string& what,
                                     std::vector<std::string> more = {}) const {
    more.push_back("consumer_services.broker_client.url=http://127.0.0.1:" + std::to_string(broker_port));
    return start(what, more);
  }
  /// Runs a process that is to end by itself; its errors and its exit code.
  std::string ends(const std::string& what, std::vector<std::string> more, int exit_code) const {
    const auto ended = start(what, std::move(more));
    EXPECT_EQ(ended->wait(), exit_code);
    return ended->errors();
  }

  temporary_folder folder{};
  std::unique_ptr<postgresql_database> database{};
  std::unique_ptr<rabbitmq_queues> queues{};
  std::vector<std::string> sets{};
};

/// A port that is free now, for a broker that others look for before it is there.
std::uint16_t free_port() {
  tcp_proxy there(1, 0);
  return there.port();
}

TEST(SeparateProcesses, WhoComesFirstWaitsForTheOthers) {
  cluster system;
  const auto port = free_port();
  const auto requester = system.start_for(port, "requester");
  const auto a = system.start_for(port, "service-a");
  const auto b = system.start("service-b");
  EXPECT_THAT(a->wait_for_error_text("waits for "), HasSubstr("consumer_services.broker_client.url"));
  const auto broker = system.start("broker", {"broker.http.port=" + std::to_string(port)});
  EXPECT_EQ(requester->wait(), 0) << requester->errors();
  EXPECT_THAT(requester->output(), MatchesRegex("Hi, [A-Za-z]+\\. Bye!\n"));
}

TEST(SeparateProcesses, EveryoneStopsOnSigtermAlsoWhileWaiting) {
  cluster system;
  const auto broker = system.start("broker");
  const auto port = port_of(*broker);
  const auto a = system.start_for(port, "service-a");
  const auto b = system.start("service-b");
  const auto waiting = system.start("service-a", {"consumer_services.broker_client.url=http://" + std::string(nobody)});
  a->wait_for_error_text("takes messages from");
  b->wait_for_error_text("takes messages from");
  waiting->wait_for_error_text("waits for");
  for (const auto* each : {broker.get(), a.get(), b.get(), waiting.get()}) each->signal(SIGTERM);
  for (auto* each : {broker.get(), a.get(), b.get(), waiting.get()}) EXPECT_EQ(each->wait(), 0) << each->errors();
}

TEST(SeparateProcesses, ARequestParkedAtOneBrokerIsWokenByAnother) {
  cluster system;
  const auto one = system.start("broker"), two = system.start("broker");
  raw_connection parked(port_of(*one));
  const auto id = text_in(parked.ask("POST", "/messages", R"({"message":"Hi, "})"), "id");
  parked.send("GET /messages/" + id + " HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=50\r\n\r\n");
  raw_connection other(port_of(*two));
  EXPECT_EQ(other.ask("PUT", "/messages/" + id, R"({"message":"Hi, X."})", "If-Match: \"1\"\r\n").status, 200);
  EXPECT_EQ(other.ask("PUT", "/messages/" + id, R"({"message":"Hi, X. Bye!"})", "If-Match: \"2\"\r\n").status, 200);
  const auto woken = parked.read();
  EXPECT_EQ(text_in(woken, "message"), "Hi, X. Bye!");
}

TEST(SeparateProcesses, AThousandConversationsOutliveAQueueServerThatStopsAndQueuesThatAreDeleted) {
  test_server server("rabbitmq");
  cluster system(server.url());
  std::vector<std::unique_ptr<process>> all;
  std::vector<std::unique_ptr<std::atomic<std::uint16_t>>> ports;
  for (int i = 0; i < 2; ++i) {
    all.push_back(system.start("broker"));
    ports.push_back(std::make_unique<std::atomic<std::uint16_t>>(port_of(*all.back())));
  }
  for (int i = 0; i < 3; ++i) all.push_back(system.start_for(*ports[i % 2], "service-a"));
  for (int i = 0; i < 2; ++i) all.push_back(system.start("service-b"));
  std::vector<std::unique_ptr<stubborn_client>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(std::make_unique<stubborn_client>(*ports[i % 2], 250));
  while (clients[0]->posted() < 50) std::this_thread::yield();
  server.stop();
  std::this_thread::sleep_for(std::chrono::seconds(5));
  server.start();
  system.queues->remove({"topic-a", "topic-b"});
  for (auto& client : clients) client->join();
  for (std::size_t i = 0; i < clients.size(); ++i) expect_finished(*ports[i % 2], clients[i]->accepted);
}

TEST(SeparateProcesses, EveryAcceptedMessageOutlivesARestartOfPostgresql) {
  test_server server("postgresql");
  cluster system("", server.url());
  const auto broker = system.start("broker");
  std::atomic<std::uint16_t> port = port_of(*broker);
  const auto a = system.start_for(port, "service-a");
  const auto b = system.start("service-b");
  std::vector<std::unique_ptr<stubborn_client>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(std::make_unique<stubborn_client>(port, 100));
  while (clients[0]->posted() < 30) std::this_thread::yield();
  server.kill();
  const auto away = ask(port, "GET", "/readyz");
  EXPECT_EQ(away.status, 503);
  EXPECT_EQ(text_in(away, "store"), "away");
  const auto refused = ask(port, "POST", "/", R"({"message":"Hi, "})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(refused.headers.contains("retry-after"));
  server.start();
  for (auto& client : clients) {
    client->join();
    expect_finished(port, client->accepted);
  }
}

TEST(SeparateProcesses, WithoutTheQueueServerTheBrokerAcceptsAndIsDegraded) {
  cluster system;
  const auto broker = system.start("broker", {"queue_system.rabbitmq.url=amqp://guest:guest@" + std::string(nobody)});
  const auto port = port_of(*broker);
  EXPECT_EQ(ask(port, "POST", "/", R"({"message":"Hi, "})").status, 201);
  // The first look of the sweeper may still be under way.
  answer ready;
  do ready = ask(port, "GET", "/readyz");
  while (text_in(ready, "status") == "ok");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(text_in(ready, "status"), "degraded");
}

TEST(SeparateProcesses, APausedBrokerHoldsUpNobody) {
  cluster system;
  const auto paused = system.start("broker"), broker = system.start("broker");
  const auto port = port_of(*broker);
  std::atomic<std::uint16_t> paused_port = port_of(*paused);
  const auto a = system.start_for(port, "service-a");
  const auto b = system.start("service-b");
  auto client = std::make_unique<stubborn_client>(paused_port, 200);
  while (client->posted() < 100) std::this_thread::yield();
  paused->signal(SIGSTOP);
  const auto meanwhile = ask(port, "POST", "/", R"({"message":"Hi, "})");
  EXPECT_EQ(meanwhile.status, 201);
  expect_finished(port, {text_in(meanwhile, "id")});
  paused->signal(SIGCONT);
  client->join();
  expect_finished(port, client->accepted);
}

TEST(SeparateProcesses, WhoWaitsTooLongGivesUpAndSaysWhatFor) {
  cluster system;
  const std::vector<std::string> brief{
      "app.startup_timeout_ms=300", "broker.store.postgresql.url=postgresql://amc:secret@" + std::string(nobody) + "/x",
      "queue_system.rabbitmq.url=amqp://guest:secret@" + std::string(nobody),
      "consumer_services.broker_client.url=http://" + std::string(nobody)};
  for (const auto* who : {"broker", "service-b"})
    EXPECT_THAT(system.ends(who, brief, 1),
                AllOf(HasSubstr("gave up"), HasSubstr("broker.store.postgresql.url"), Not(HasSubstr("secret"))));
  EXPECT_THAT(system.ends("service-a", brief, 1), AllOf(HasSubstr("gave up"), HasSubstr("broker_client.url")));
}

TEST(SeparateProcesses, WhatWaitingDoesNotMendIsToldAtOnce) {
  cluster system;
  auto wrong = system.queues->url();
  wrong.replace(wrong.find("guest:guest"), 11, "guest:secret");
  EXPECT_THAT(system.ends("broker", {"queue_system.rabbitmq.url=" + wrong}, 1),
              AllOf(HasSubstr("ACCESS_REFUSED"), HasSubstr("check the queue engine"), Not(HasSubstr("secret"))));
  EXPECT_THAT(system.ends("broker", {"broker.store.postgresql.url=" + system.database->url() + "_not"}, 1),
              AllOf(HasSubstr("does not exist"), HasSubstr("broker.store.postgresql.url")));
  system.queues->make_other("topic-a");
  EXPECT_THAT(system.ends("broker", {}, 1),
              AllOf(HasSubstr("PRECONDITION_FAILED"), HasSubstr(system.queues->prefix() + "topic-a")));
}

TEST(SeparateProcesses, HealthIsAskedForByExitCode) {
  cluster system;
  const auto broker = system.start("broker");
  const auto healthy = system.start_for(port_of(*broker), "health");
  EXPECT_EQ(healthy->wait(), 0);
  EXPECT_THAT(healthy->output(), HasSubstr("\"status\":\"ok\""));
  system.ends("health", {"consumer_services.broker_client.url=http://" + std::string(nobody)}, 1);
}

TEST(SeparateProcesses, AServiceTellsItsNumbers) {
  cluster system;
  const auto b = system.start("service-b", {"consumer_services.http.enabled=true", "consumer_services.http.port=0"});
  const auto address = b->wait_for_error_text("reports its metrics at http://127.0.0.1:");
  const auto port = static_cast<std::uint16_t>(std::stoi(address));
  EXPECT_THAT(ask(port, "GET", "/metrics").body, HasSubstr("amc_batch_size_count{worker=\"store\"}"));
  EXPECT_EQ(ask(port, "GET", "/messages").status, 404);
}

TEST(SeparateProcesses, MigrateShowsItsPlanAndDoesIt) {
  cluster system;
  const auto run = [&](std::vector<std::string> words) {
    process migrating(amc_command(system.folder.path, std::move(words), system.sets));
    EXPECT_EQ(migrating.wait(), 0) << migrating.errors();
    return migrating.output();
  };
  EXPECT_THAT(run({"migrate", "plan"}), HasSubstr("schema 0 -> "));
  EXPECT_THAT(run({"migrate"}), HasSubstr("done"));
  EXPECT_THAT(run({"migrate"}), HasSubstr("up to date"));
}

}  // namespace
}  // namespace amc::tests
