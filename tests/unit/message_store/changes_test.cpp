#include "message_store/postgresql/changes.hpp"

#include <gmock/gmock.h>

#include "core/uuid_source.hpp"

namespace amc::message_store::postgresql {
namespace {

change_feed::news heard(std::size_t count) {
  const std::vector<uuid> ids(count, system_uuid_source()());
  return parse_notification(notify_call("sender-1", ids).arguments.values().at(0).value(), "sender-2");
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

}  // namespace
}  // namespace amc::message_store::postgresql
