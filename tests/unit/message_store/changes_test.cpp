#include "message_store/postgresql/changes.hpp"

#include <gmock/gmock.h>

#include "core/uuid_source.hpp"

namespace amc::message_store::postgresql {
namespace {

change_feed::news heard(std::size_t count) {
  const std::vector<uuid> ids(count, system_uuid_source()());
  const auto sent = notify_call("sender-1", ids, {}).arguments.values().at(1).value();
  return parse_notification({"amc_changed", sent.substr(2, sent.size() - 4)}, "sender-2");
}

change waiting_in(const std::string& queue, milliseconds due_in = milliseconds(0)) {
  return {.insert = true,
          .then = {.text = "x", .status = status::pending, .queue = queue, .held = false, .due_in = due_in}};
}

TEST(Notification, NamesWhatHasChanged) {
  const auto news = heard(2);
  EXPECT_EQ(news.ids.size(), 2U);
  EXPECT_FALSE(news.everything);
  EXPECT_THAT(news.from, testing::ElementsAre("sender-1"));
}

TEST(Notification, MoreThanItCanNameIsEverything) {
  const auto news = heard(201);
  EXPECT_TRUE(news.ids.empty());
  EXPECT_TRUE(news.everything);
}

TEST(Notification, NamesAQueueAsItIs) {
  const std::vector<std::string> queues{"a b"};
  const auto sent = notify_call("sender-1", {}, queues).arguments.values();
  EXPECT_EQ(sent.at(0), R"({"amc_waits"})");
  EXPECT_EQ(sent.at(1), R"({"sender-1 a b"})");
  EXPECT_THAT(parse_notification({"amc_waits", "sender-1 a b"}, "sender-2").queues, testing::ElementsAre("a b"));
  EXPECT_TRUE(parse_notification({"amc_waits", "sender-1 a b"}, "sender-1").queues.empty()) << "it is one's own";
}

std::string told_of(const receiving& who) {
  const auto sent = receiving_call("sender-1", std::span(&who, 1)).arguments.values();
  EXPECT_EQ(sent.at(0), R"({"amc_receives"})");
  std::string payload = sent.at(1).value();
  payload = payload.substr(2, payload.size() - 4);  // of an array of one: {"…"}, with \\ before what is special there
  std::erase(payload, '\\');
  return payload;
}

TEST(Notification, SaysWhoReceives) {
  const receiving who{"orders", {{"invoicer", milliseconds(20)}, {"", milliseconds(4'000)}}, 17, {3, 0, 4}};
  const auto heard = parse_notification({"amc_receives", told_of(who)}, "sender-2");
  ASSERT_EQ(heard.received.size(), 1U);
  EXPECT_EQ(heard.received[0].queue, "orders");
  EXPECT_EQ(heard.received[0].from, "sender-1");
  EXPECT_EQ(heard.received[0].second, 17);
  EXPECT_THAT(heard.received[0].taken, testing::ElementsAre(3, 0, 4));
  EXPECT_TRUE(heard.from.empty()) << "it has changed nothing";
  ASSERT_EQ(heard.received[0].services.size(), 2U);
  EXPECT_EQ(heard.received[0].services[0].name, "invoicer");
  EXPECT_EQ(heard.received[0].services[1].seen_ago, milliseconds(4'000));
  EXPECT_FALSE(heard.everything);
  EXPECT_TRUE(parse_notification({"amc_receives", told_of(who)}, "sender-1").received.empty()) << "it is one's own";
}

TEST(Notification, NamesAsManyServicesAsPostgresqlTakes) {
  receiving who{"orders", {}, 1'000'000, std::vector<std::uint32_t>(60, 100'000)};
  const std::string long_name(200, 'x');
  for (int i = 0; i < 1'000; ++i) who.services.push_back({long_name, milliseconds(i)});
  const auto told = told_of(who);
  EXPECT_LT(told.size(), 8'000U);
  EXPECT_GT(parse_notification({"amc_receives", told}, "sender-2").received.at(0).services.size(), 20U);
}

TEST(Notification, WhatAnotherVersionSaysOfReceiversIsLeftOut) {
  for (const auto* said : {"", "[]", "{}", R"({"queue": 1, "second": 1, "taken": [], "services": []})",
                           R"({"queue": "q", "second": 1, "taken": [-1], "services": []})",
                           R"({"queue": "q", "second": 1, "taken": [], "services": [["x"]]})"}) {
    const auto heard = parse_notification({"amc_receives", "sender-1 " + std::string(said)}, "sender-2");
    EXPECT_TRUE(heard.received.empty()) << said;
    EXPECT_FALSE(heard.everything) << said;
  }
}

TEST(Announcements, AreOfQueuesInWhichSomethingWaitsThatNothingRings) {
  announcements all;
  auto held = waiting_in("held");
  held.then.held = true;
  const std::vector<change> batch{waiting_in("waits"), waiting_in("rung", milliseconds(9)), held, waiting_in("waits")};
  EXPECT_THAT(all.after(batch, announcements::clock::now()), testing::ElementsAre("waits"));
}

TEST(Announcements, AreMadeOnceInAWhile) {
  announcements all;
  const std::vector<change> batch{waiting_in("q")};
  const announcements::clock::time_point start{std::chrono::hours(1)};
  EXPECT_EQ(all.after(batch, start).size(), 1U);
  EXPECT_EQ(all.after(batch, start + announcements::pause / 2).size(), 0U);
  EXPECT_EQ(all.after(batch, start + announcements::pause).size(), 1U);
}

}  // namespace
}  // namespace amc::message_store::postgresql
