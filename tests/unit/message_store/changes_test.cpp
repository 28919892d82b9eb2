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
