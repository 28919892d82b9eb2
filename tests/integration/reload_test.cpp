#include <gmock/gmock.h>

#include <csignal>
#include <fstream>
#include <map>
#include <thread>

#include "tests/support/binary.hpp"
#include "tests/support/raw_http.hpp"

/// SIGHUP, against the real binary: a configuration in a file that changes under it.
namespace amc::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Reload : public testing::Test {
 protected:
  Reload() { std::filesystem::create_directories(folder_.path / "config/autoload"); }

  void write(const std::string& yaml) const { std::ofstream(folder_.path / "config/autoload/a.local.yaml") << yaml; }

  /// Returns the line of the log that says what came of it.
  static std::string reload(process& broker) {
    const auto before = told(broker).size();
    broker.signal(SIGHUP);
    while (told(broker).size() == before) {
      if (!broker.running()) throw std::runtime_error("it has ended: " + broker.errors());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return told(broker).back();
  }

  static std::vector<std::string> told(process& broker) {
    std::istringstream lines(broker.errors());
    std::vector<std::string> all;
    for (std::string line; std::getline(lines, line);)
      if (line.find("SIGHUP: ") != std::string::npos && !lines.eof()) all.push_back(line);
    return all;
  }

  static int post(std::uint16_t port, const std::string& text, const std::string& path = "/messages") {
    return ask(port, "POST", path, R"({"message":")" + text + R"("})").status;
  }

  temporary_folder folder_;
};

TEST_F(Reload, ANewRouteTakesEffectAndParkedRequestsStay) {
  write("broker: {routes: [{match: '^a', queue: first}]}\n");
  process broker(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  const auto port = port_of(broker);
  EXPECT_EQ(post(port, "b"), 422);
  raw_connection parked(port);
  parked.send(
      "POST /queues/second/receive HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=20\r\nContent-Length: 0\r\n\r\n");
  write("broker: {routes: [{match: '^a', queue: first}, {match: '^b', queue: second, lease_ms: 7777}]}\n");
  EXPECT_THAT(reload(broker), AllOf(HasSubstr("[info]"), HasSubstr("broker.routes: "), HasSubstr("second"),
                                    HasSubstr("config/autoload/a.local.yaml:1")));
  EXPECT_EQ(post(port, "b"), 202);
  const auto delivery = parked.read().json().at("deliveries").at(0);
  EXPECT_EQ(delivery.at("message"), "b");
  EXPECT_EQ(delivery.at("lease_ms"), 7777) << "policies are reloaded, too";
}

TEST_F(Reload, WhatIsWrongAnywhereKeepsTheOldWhole) {
  write("broker: {routes: [{match: '^a', queue: first}]}\n");
  process broker(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  const auto port = port_of(broker);
  const std::pair<const char*, const char*> wrong[] = {
      {"broker: {routes: [{match: '^b', queue: q}, {match: '(', queue: q}]}\n",
       "a.local.yaml:1: broker.routes: route 2"},
      {"broker: {routes: [{match: '^b', queue: q}], lease_ms: many}\n", "broker.lease_ms"},
      {"broker:\n  routs: []\n", "a.local.yaml:2"},
      {"broker: {routes: [{match: '^b', queue: q}]}\nconsumer_services: {requester: {answer_pattern: '('}}\n",
       "answer_pattern"}};
  for (const auto& [yaml, where] : wrong) {
    write(yaml);
    EXPECT_THAT(reload(broker), AllOf(HasSubstr("[error]"), HasSubstr("nothing is changed: "), HasSubstr(where)));
    EXPECT_EQ(post(port, "a"), 202);
    EXPECT_EQ(post(port, "b"), 422);
  }
}

TEST_F(Reload, QueuesAreClosedAndOpened) {
  process broker(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  const auto port = port_of(broker);
  EXPECT_EQ(post(port, "x", "/queues/other/messages"), 202);
  write("broker: {queues_closed: true, queues: [{name: orders}]}\n");
  EXPECT_THAT(reload(broker), HasSubstr("broker.queues_closed: false -> true"));
  EXPECT_EQ(post(port, "x", "/queues/other/messages"), 422);
  EXPECT_EQ(post(port, "x", "/queues/orders/messages"), 202);
  write("");
  EXPECT_THAT(reload(broker), HasSubstr("broker.queues_closed: true -> false"));
  EXPECT_EQ(post(port, "x", "/queues/other/messages"), 202);
}

TEST_F(Reload, TheConfigurationInForceIsTold) {
  process broker(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  const auto port = port_of(broker);
  write("broker: {queues_closed: true, lease_ms: 7777, http: {page_max: 7}}\n");
  reload(broker);
  const auto told = ask(port, "GET", "/configuration").json();
  std::map<std::string, std::string> keys;
  for (const auto& key : told.at("configuration").as_array())
    keys[std::string(key.at("key").as_string())] =
        std::string(key.at("value").as_string()) + " from " + std::string(key.at("origin").as_string());
  EXPECT_THAT(keys["broker.queues_closed"], AllOf(HasSubstr("true from "), HasSubstr("a.local.yaml:1")));
  EXPECT_EQ(keys["broker.http.page_max"], "1000 from default") << "that takes a restart";
  EXPECT_EQ(keys["broker.http.port"], "0 from --set");
}

TEST_F(Reload, WhatNeedsARestartIsNamed) {
  process all(amc_all(folder_.path));
  const auto port = port_of(all);
  write("broker: {http: {port: 4999, page_max: 7}}\nlog: {level: debug}\n");
  EXPECT_THAT(reload(all), HasSubstr("routes and queues are as they were"));
  EXPECT_THAT(all.errors(), AllOf(HasSubstr("needs a restart to take effect: broker.http.page_max: 1000 -> 7"),
                                  HasSubstr("log.level"), Not(HasSubstr("broker.http.port: "))))
      << "--set still decides about the port";
  EXPECT_EQ(ask(port, "GET", "/messages?limit=8").status, 200);
}

}  // namespace
}  // namespace amc::tests
