#include "queue_system/event_source.hpp"

#include <gmock/gmock.h>

#include "core/log.hpp"
#include "queue_system/event_codec.hpp"
#include "tests/support/manual_environment.hpp"
#include "tests/support/scripted_platform.hpp"

namespace amc::queue_system {
namespace {

class EventSource : public testing::Test {
 protected:
  void put(int revision) { engine_.queues["q"].push_back(encode({uuid{}, revision}, uuid{}, {})); }

  std::unique_ptr<event_source> listen(std::size_t window) {
    return std::make_unique<event_source>(world_.env(), engine_, "q", window,
                                          [this](std::vector<event_source::received> events) {
                                            for (const auto& e : events) heard_.push_back(e);
                                          });
  }

  void lose_the_connection() {
    engine_.away = true;
    world_.advance(milliseconds(2'000));
    engine_.away = false;
    world_.advance(milliseconds(6'000));
  }

  tests::manual_environment world_;
  tests::scripted_platform engine_;
  std::vector<event_source::received> heard_;
};

TEST_F(EventSource, HearsWhatIsInTheQueue) {
  put(1);
  put(2);
  const auto source = listen(10);
  world_.settle();
  ASSERT_EQ(heard_.size(), 2U);
  EXPECT_EQ(heard_[1].ready.revision, 2);
}

TEST_F(EventSource, HasNoMoreThanItsWindowUnsettled) {
  for (int i = 1; i <= 5; ++i) put(i);
  const auto source = listen(2);
  world_.advance(milliseconds(100));
  EXPECT_EQ(heard_.size(), 2U);
  source->acknowledge({heard_[0].tag});
  world_.advance(milliseconds(100));
  EXPECT_EQ(heard_.size(), 3U);
}

TEST_F(EventSource, AcknowledgesAndGivesBack) {
  put(1);
  put(2);
  const auto source = listen(2);
  world_.settle();
  source->acknowledge({heard_.at(0).tag});
  source->give_back({heard_.at(1).tag});
  world_.advance(milliseconds(10));
  EXPECT_EQ(engine_.acknowledged.size(), 1U);
  ASSERT_EQ(heard_.size(), 3U);
  EXPECT_EQ(heard_[2].ready.revision, 2);
}

TEST_F(EventSource, DropsWhatItCannotReadAndAcknowledgesIt) {
  engine_.queues["q"].push_back("nonsense");
  put(2);
  const auto source = listen(10);
  world_.advance(milliseconds(10));
  ASSERT_EQ(heard_.size(), 1U);
  EXPECT_EQ(heard_[0].ready.revision, 2);
  EXPECT_THAT(engine_.acknowledged, testing::ElementsAre("nonsense"));
}

TEST_F(EventSource, TellsOfManyThatItCannotReadAtMostOnceASecondAndCountsThemAll) {
  std::vector<std::string> told;
  log::redirect([&](const log::line& line) { told.emplace_back(line.text); });
  for (int i = 0; i < 50; ++i) engine_.queues["q"].push_back("nonsense");
  const auto source = listen(10);
  world_.advance(milliseconds(900));
  EXPECT_THAT(told, testing::ElementsAre(testing::HasSubstr("dropped an event from q")));
  world_.advance(milliseconds(1'200));
  log::redirect(nullptr);
  EXPECT_THAT(told, testing::ElementsAre(testing::_, testing::HasSubstr("dropped 49 events from q")));
  EXPECT_EQ(engine_.acknowledged.size(), 50U);
  EXPECT_THAT(world_.env().metrics->text(),
              testing::HasSubstr("amc_undecodable_events_total{messaging_destination_name=\"q\"} 50"));
}

TEST_F(EventSource, WhatWasHeardOnALostConnectionTakesNoRoomOnTheNext) {
  put(1);
  const auto source = listen(1);
  world_.settle();
  lose_the_connection();
  EXPECT_EQ(heard_.size(), 2U);
}

TEST_F(EventSource, AnAcknowledgementOfALostConnectionSettlesNothingOnTheNext) {
  put(1);
  const auto source = listen(1);
  world_.settle();
  lose_the_connection();
  source->acknowledge({heard_.at(0).tag});
  world_.advance(milliseconds(1'000));
  EXPECT_THAT(engine_.acknowledged, testing::IsEmpty());
}

TEST_F(EventSource, AnEngineWhoseDriverFailsAsNoDriverShouldIsHeardAgain) {
  const auto source = listen(10);
  engine_.is_odd = true;
  world_.advance(milliseconds(2'000));
  engine_.is_odd = false;
  put(1);
  world_.advance(milliseconds(6'000));
  EXPECT_EQ(heard_.size(), 1U);
}

TEST_F(EventSource, GivesBackWhatIsNotSettledWhenItEnds) {
  put(1);
  auto source = listen(10);
  world_.settle();
  source.reset();
  EXPECT_EQ(engine_.queues["q"].size(), 1U);
}

}  // namespace
}  // namespace amc::queue_system
