#include <gmock/gmock.h>

#include <csignal>

#include "tests/support/binary.hpp"
#include "tests/support/stubborn_client.hpp"

namespace amc::tests {
namespace {

using testing::MatchesRegex;

TEST(Conversation, AClientOfTheSeedGetsItsAnswer) {
  temporary_folder folder;
  process all(amc_all(folder.path));
  const auto port = port_of(all);
  const auto posted = ask(port, "POST", "/", R"({"message":"Hi, "})", "Content-Type: application/json\r\n");
  ASSERT_EQ(posted.status, 201);
  const auto id = text_in(posted, "id");
  const std::string text = text_in(ask(port, "GET", "/?id=" + id, "", "Prefer: wait=20\r\n"), "message");
  EXPECT_THAT(text, MatchesRegex("Hi, [A-Za-z]+\\. Bye!"));
}

TEST(Conversation, PostThatWaitsGetsTheFinishedAnswer) {
  temporary_folder folder;
  process all(amc_all(folder.path));
  const auto got = ask(port_of(all), "POST", "/messages", R"({"message":"Hi, "})", "Prefer: wait=20\r\n");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(text_in(got, "status"), "done");
  EXPECT_EQ(got.json().at("revision").as_int64(), 3);
}

TEST(Conversation, ServicesOfOneProcessMayHearTheEngineInIt) {
  temporary_folder folder;
  process all(amc_all(folder.path, {"consumer_services.receive_via=engine"}));
  const auto got = ask(port_of(all), "POST", "/messages", R"({"message":"Hi, "})", "Prefer: wait=20\r\n");
  EXPECT_EQ(text_in(got, "status"), "done");
}

TEST(Conversation, BrokerAndServicesAreSeparateProcessesWithNoServerAtAll) {
  temporary_folder folder;
  const std::vector<std::string> short_times{"broker.lease_ms=1000", "broker.ring_again_ms=2000"};
  const auto begin = [&](const std::string& what, std::uint16_t port) {
    auto sets = short_times;
    sets.push_back("broker.http.port=" + std::to_string(port));
    if (port > 0) sets.push_back("consumer_services.broker_client.url=http://127.0.0.1:" + std::to_string(port));
    return std::make_unique<process>(amc_command(folder.path, {what}, sets));
  };
  auto broker = begin("broker", 0);
  const auto port = port_of(*broker);
  std::vector<std::unique_ptr<process>> services;
  for (const auto* what : {"service-a", "service-a", "service-b", "service-b"}) services.push_back(begin(what, port));
  const auto converse = [&] {
    const auto got = ask(port, "POST", "/messages", R"({"message":"Hi, "})", "Prefer: wait=20\r\n");
    EXPECT_EQ(text_in(got, "status"), "done") << got.body;
  };
  converse();
  broker->signal(SIGKILL);
  broker->wait();
  broker = begin("broker", port);
  port_of(*broker);
  services[0]->signal(SIGKILL);
  for (int i = 0; i < 5; ++i) converse();
  for (std::size_t i = 1; i < services.size(); ++i) {
    services[i]->signal(SIGTERM);
    EXPECT_EQ(services[i]->wait(), 0) << services[i]->errors();
  }
}

TEST(Conversation, SigtermDrainsAndExitsWith0) {
  for (const int signal : {SIGTERM, SIGINT}) {
    temporary_folder folder;
    process all(amc_all(folder.path));
    ask(port_of(all), "POST", "/", R"({"message":"Hi, "})");
    all.signal(signal);
    EXPECT_EQ(all.wait(), 0) << all.errors();
  }
}

TEST(Conversation, AParkedRequestIsAnsweredWhenTheBrokerStops) {
  temporary_folder folder;
  process broker(amc_command(folder.path, {"broker"}, {"broker.http.port=0"}));
  raw_connection client(port_of(broker));
  const auto posted = client.ask("POST", "/", R"({"message":"Hi, "})");
  client.send("GET /?id=" + text_in(posted, "id") + " HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=60\r\n\r\n");
  raw_connection(port_of(broker)).ask("GET", "/healthz");  // the one before it has been read by now
  broker.signal(SIGTERM);
  const auto parked = client.read();
  EXPECT_EQ(parked.status, 200);
  EXPECT_EQ(text_in(parked, "status"), "pending");
  EXPECT_EQ(broker.wait(), 0);
}

TEST(Conversation, MessagesSurviveAnOrderlyRestart) {
  temporary_folder folder;
  std::string id;
  {
    process broker(amc_command(folder.path, {"broker"}, {"broker.http.port=0"}));  // no services: it stays pending
    id = text_in(ask(port_of(broker), "POST", "/", R"({"message":"Hi, "})"), "id");
    broker.signal(SIGTERM);
    ASSERT_EQ(broker.wait(), 0);
  }
  process all(amc_all(folder.path));
  EXPECT_EQ(text_in(ask(port_of(all), "GET", "/?id=" + id, "", "Prefer: wait=20\r\n"), "status"), "done");
}

TEST(Conversation, NothingAcceptedIsLostWhenTheProcessIsKilled) {
  temporary_folder folder;
  // Short times, so that what a killed process held comes round again soon.
  const std::vector<std::string> sets{"broker.lease_ms=500", "broker.ring_again_ms=1000"};
  auto all = std::make_unique<process>(amc_all(folder.path, sets));
  std::atomic<std::uint16_t> port = port_of(*all);
  std::vector<std::unique_ptr<stubborn_client>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(std::make_unique<stubborn_client>(port, 250));
  for (int kills = 0; kills < 4; ++kills) {
    // In the middle of the work: some of it is done, some is not.
    for (int done = 0; done < 20;) done += ask(port, "GET", "/readyz").status == 200;
    all->signal(SIGKILL);
    all->wait();
    all = std::make_unique<process>(amc_all(folder.path, sets));
    port = port_of(*all);
  }
  for (auto& client : clients) {
    client->join();
    expect_finished(port, client->accepted);
  }
}

}  // namespace
}  // namespace amc::tests
