#include "api/wording.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "api/history.hpp"

namespace amc::api {
namespace {

TEST(Wording, EachErrorHasItsStatus) {
  const std::vector<std::pair<errc, int>> all{
      {errc::invalid, 422},   {errc::unroutable, 422},   {errc::key_reused, 422},   {errc::not_found, 404},
      {errc::terminal, 409},  {errc::held, 409},         {errc::needs_alone, 409},  {errc::needs_room, 409},
      {errc::too_large, 413}, {errc::stale, 412},        {errc::precondition, 428}, {errc::unreadable, 503},
      {errc::unknown, 500},   {errc::unidentified, 401}, {errc::forbidden, 403},    {errc::over_quota, 429}};
  for (const auto& [code, status] : all) EXPECT_EQ(refused({code, "no"}).status, status) << to_string(code);
}

TEST(Wording, EachStatusHasItsTitle) {
  const std::vector<std::pair<int, std::string>> all{{400, "Bad Request"},
                                                     {403, "Forbidden"},
                                                     {404, "Not Found"},
                                                     {405, "Method Not Allowed"},
                                                     {408, "Request Timeout"},
                                                     {409, "Conflict"},
                                                     {412, "Precondition Failed"},
                                                     {413, "Content Too Large"},
                                                     {415, "Unsupported Media Type"},
                                                     {421, "Misdirected Request"},
                                                     {422, "Unprocessable Content"},
                                                     {428, "Precondition Required"},
                                                     {431, "Request Header Fields Too Large"},
                                                     {500, "Internal Server Error"},
                                                     {503, "Service Unavailable"}};
  for (const auto& [status, title] : all)
    EXPECT_EQ(boost::json::parse(problem(status, "so").body).at("title").as_string(), title) << status;
}

told_past told(message m, std::vector<past_content> contents) {
  told_past all;
  all.of.now = std::make_shared<const message>(std::move(m));
  all.contents = std::move(contents);
  return all;
}

TEST(Wording, AHistoryOfWhichSomeCannotBeReadIsToldAllTheSame) {
  message m{.text = "three", .revision = 3, .queue = "q"};
  m.history = "oops\n[2,5,\"answered\",\"q\",\"\"]\n[2,";
  const auto read = boost::json::parse(history_for({}, told(m, {{.revision = 2, .text = "two"}})));
  EXPECT_EQ(read.at("unreadable"), true);
  EXPECT_EQ(read.at("history").as_array().size(), 1U);
  EXPECT_EQ(read.at("revisions").at(0).at("message"), "two");
  EXPECT_EQ(read.at("revisions").at(1).at("message"), "three");
}

TEST(Wording, WhatARevisionSaidIsForWhoMayReadTheQueueThatItWasIn) {
  message m{.text = "three", .revision = 3, .queue = "open"};
  m.history = "[2,5,\"answered\",\"closed\",\"\"]\n";
  auto reader = std::make_shared<principal>();
  reader->queues[static_cast<std::size_t>(right::read)].add("open");
  const auto text = history_for(reader, told(m, {{.revision = 1, .text = "one"}, {.revision = 2, .text = "two"}}));
  const auto read = boost::json::parse(text);
  EXPECT_TRUE(read.at("history").as_array().empty());
  ASSERT_EQ(read.at("revisions").as_array().size(), 1U) << "of the first nobody knows where it was";
  EXPECT_EQ(read.at("revisions").at(0).at("message"), "three");
  reader->queues[static_cast<std::size_t>(right::read)].add("*");
  EXPECT_EQ(boost::json::parse(history_for(reader, told(m, {{.revision = 1, .text = "one"}})))
                .at("revisions")
                .as_array()
                .size(),
            3U);
}

TEST(Wording, TimesThatAnOlderProcessHasLeftAreNotToldOfALaterRevision) {
  message m{.text = "three", .revision = 3, .queue = "q"};
  m.history = "[2,5000,\"answered\",\"q\",\"\"]\n";
  m.claimed_at = m.rung_at = timestamp(milliseconds(4'000));
  const auto read = boost::json::parse(history_for({}, told(m, {})));
  const auto& now = read.at("revisions").as_array().back().as_object();
  EXPECT_TRUE(now.contains("stored_at"));
  EXPECT_FALSE(now.contains("claimed_at"));
  EXPECT_FALSE(now.contains("rung_at"));
}

}  // namespace
}  // namespace amc::api
