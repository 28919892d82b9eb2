#include "message_store/availability.hpp"

#include <gmock/gmock.h>

namespace amc::message_store {
namespace {

using failed = availability::failed;

std::string told(const std::optional<availability::news>& news) {
  if (!news) return "";
  return (news->bad ? "bad: " : "good: ") + news->text;
}

const std::string away = "bad: cannot be used, requests are answered 503: away";

TEST(Availability, AnAbsenceIsToldOnceAndItsEnd) {
  availability store;
  EXPECT_EQ(told(store.has_failed(failed::reading, "away")), away);
  EXPECT_EQ(told(store.has_failed(failed::reading, "still away")), "");
  EXPECT_EQ(told(store.can_be_read()), "good: is there again");
  EXPECT_EQ(told(store.can_be_read()), "");
}

TEST(Availability, WritingIsInDoubtUntilItWasTried) {
  availability store;
  EXPECT_TRUE(store.writes_are_in_doubt());
  store.can_be_written();
  EXPECT_FALSE(store.writes_are_in_doubt());
}

TEST(Availability, WhatComesBackMayBeAStandby) {
  availability store;
  store.can_be_written();
  store.has_failed(failed::reading, "away");
  store.can_be_read();
  EXPECT_TRUE(store.writes_are_in_doubt());
}

TEST(Availability, ReadsThatSucceedSayNothingAboutWrites) {
  availability store;
  EXPECT_EQ(told(store.has_failed(failed::writing, "away")), away);
  EXPECT_EQ(told(store.can_be_read()), "");
  EXPECT_TRUE(store.writes_are_in_doubt());
  EXPECT_EQ(told(store.can_be_written()), "good: is there again");
}

TEST(Availability, AnAbsenceThatBecomesOneOfWritesOnlyIsNotToldTwice) {
  availability store;
  store.has_failed(failed::reading, "away");
  EXPECT_EQ(told(store.has_failed(failed::writing, "read-only")), "");
  EXPECT_EQ(told(store.has_failed(failed::reading, "away")), "");
}

TEST(Availability, NothingIsToldOfAStoreThatWasNeverAway) {
  availability store;
  EXPECT_EQ(told(store.can_be_read()), "");
  EXPECT_EQ(told(store.can_be_written()), "");
  EXPECT_EQ(told(store.can_be_written()), "");
}

}  // namespace
}  // namespace amc::message_store
