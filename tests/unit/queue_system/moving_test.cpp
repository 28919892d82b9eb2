#include "queue_system/moving.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "tests/support/scripted_platform.hpp"

namespace amc::queue_system {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Moving : public testing::Test {
 protected:
  std::vector<std::string> receive(queue_subscriber& from, std::size_t max = 10) {
    std::vector<std::string> texts;
    tags_.clear();
    for (const auto& in : from.receive(max, milliseconds(0))) {
      texts.push_back(in.bytes);
      tags_.push_back(in.tag);
    }
    return texts;
  }

  std::shared_ptr<tests::scripted_platform> newest_ = std::make_shared<tests::scripted_platform>();
  std::shared_ptr<tests::scripted_platform> older_ = std::make_shared<tests::scripted_platform>();
  std::shared_ptr<platform> moving_ = make_moving(newest_, {{"older", older_}});
  std::vector<std::uint64_t> tags_;  ///< of what was received last
};

TEST_F(Moving, PublishesToTheNewEngineAlone) {
  const auto publisher = moving_->make_publisher();
  publisher->publish(std::vector<outgoing>{{"q", "x"}});
  EXPECT_THAT(newest_->queues["q"], ElementsAre("x"));
  EXPECT_THAT(older_->queues["q"], IsEmpty());
  EXPECT_EQ(publisher->depth("q"), 1U);
}

TEST_F(Moving, HearsBoth) {
  older_->queues["q"] = {"left"};
  newest_->queues["q"] = {"new"};
  const auto subscriber = moving_->make_subscriber("q", 10);
  EXPECT_THAT(receive(*subscriber), ElementsAre("left", "new"));
}

TEST_F(Moving, ReceivesNoMoreThanThereIsRoomFor) {
  older_->queues["q"] = {"a", "b", "c"};
  newest_->queues["q"] = {"d"};
  const auto subscriber = moving_->make_subscriber("q", 10);
  EXPECT_THAT(receive(*subscriber, 2), ElementsAre("a", "b"));
  EXPECT_THAT(receive(*subscriber, 2), ElementsAre("c", "d"));
}

TEST_F(Moving, EachIsAcknowledgedWhereItCameFrom) {
  older_->queues["q"] = {"left"};
  newest_->queues["q"] = {"new"};
  const auto subscriber = moving_->make_subscriber("q", 10);
  receive(*subscriber);
  subscriber->acknowledge(tags_);
  EXPECT_THAT(older_->acknowledged, ElementsAre("left"));
  EXPECT_THAT(newest_->acknowledged, ElementsAre("new"));
}

TEST_F(Moving, EachIsGivenBackWhereItCameFrom) {
  older_->queues["q"] = {"left"};
  newest_->queues["q"] = {"new"};
  const auto subscriber = moving_->make_subscriber("q", 10);
  receive(*subscriber);
  subscriber->give_back(tags_);
  EXPECT_THAT(older_->queues["q"], ElementsAre("left"));
  EXPECT_THAT(newest_->queues["q"], ElementsAre("new"));
}

TEST_F(Moving, OneThatHasGoneHindersNobody) {
  newest_->queues["q"] = {"a", "b"};
  older_->away = true;
  EXPECT_NO_THROW(moving_->check({}, std::vector<std::string>{"q"}));
  const auto subscriber = moving_->make_subscriber("q", 10);
  EXPECT_THAT(receive(*subscriber, 1), ElementsAre("a"));
  EXPECT_THAT(receive(*subscriber, 1), ElementsAre("b"));
  EXPECT_NO_THROW(subscriber->acknowledge(tags_));
}

TEST_F(Moving, OneThatRefusesUsSaysHowToDoWithoutIt) {
  older_->refuses = true;
  try {
    moving_->check({}, std::vector<std::string>{"q"});
    FAIL() << "was not refused";
  } catch (const unavailable& failed) {
    EXPECT_EQ(failed.why(), unavailable::reason::refused);
    EXPECT_THAT(failed.what(), testing::HasSubstr("take older out of queue_system.also_receive_from"));
  }
}

TEST_F(Moving, TheNewOneMustBeThere) {
  newest_->away = true;
  EXPECT_THROW(moving_->check({}, {}), unavailable);
  EXPECT_THROW(moving_->make_subscriber("q", 10), unavailable);
}

TEST_F(Moving, TellsWhatIsLeft) {
  older_->queues["q"] = {"a", "b"};
  const auto publisher = moving_->make_publisher();
  const auto told = publisher->left("q");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].engine, "older");
  EXPECT_EQ(told[0].count, 2U);
}

TEST_F(Moving, WhatIsLeftInOneThatHasGoneIsNotKnown) {
  older_->away = true;
  const auto publisher = moving_->make_publisher();
  EXPECT_EQ(publisher->left("q").at(0).count, std::nullopt);
  EXPECT_EQ(publisher->depth("q"), 0U);
}

}  // namespace
}  // namespace amc::queue_system
