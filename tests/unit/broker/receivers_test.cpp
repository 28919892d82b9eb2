#include "broker/receivers.hpp"

#include <gmock/gmock.h>

#include "tests/support/broker_world.hpp"

namespace amc::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class Receivers : public testing::Test {
 protected:
  using received = std::shared_ptr<std::optional<std::vector<handed>>>;

  static receive_request wanted(std::string worker, std::size_t max = 1, milliseconds wait = milliseconds(20'000)) {
    receive_request asked;
    asked.queue = "topic-a";
    asked.worker = std::move(worker);
    asked.is_named = true;
    asked.max = max;
    asked.max_bytes = 1'000;
    asked.wait = wait;
    return asked;
  }
  received receive(receive_request asked, std::shared_ptr<http::peer> from = nullptr) {
    return w_.world.start(w_.receivers->receive(std::move(asked), std::move(from)));
  }
  static receive_request in_hand(std::string worker) {
    auto asked = wanted(std::move(worker));
    asked.in_hand = 1;
    return asked;
  }
  received receive(const std::string& worker) { return receive(wanted(worker)); }

  static std::vector<std::string> texts(const received& got) {
    std::vector<std::string> all;
    for (const auto& h : got->value()) all.push_back(h.now->text);
    return all;
  }
  void answer(const handed& h) { w_.world.run(w_.messages->answer(h.now->id, h.now->revision, "Hi, X. Bye!")); }
  /// A message that two workers have left unanswered.
  uuid poison() {
    const auto id = w_.accept("Hi,");
    for (int i = 0; i < life_cycle::claims_in_company; ++i) {
      w_.world.run(w_.messages->claim({claim_request{{id, 1}}}));
      w_.world.advance(milliseconds(11'000));
    }
    return id;
  }

  tests::broker_world w_;
};

TEST_F(Receivers, AreGivenWhatWaitsAlready) {
  const auto id = w_.accept("Hi,");
  const auto got = receive("w");
  ASSERT_TRUE(*got);
  EXPECT_THAT(texts(got), ElementsAre("Hi,"));
  const auto row = w_.find(id);
  EXPECT_TRUE(row->held) << "it is claimed already";
  EXPECT_EQ(row->claim, (*got)->front().now->claim);
}

TEST_F(Receivers, AreGivenWhatComesWhileTheyWait) {
  const auto got = receive("w");
  EXPECT_FALSE(*got);
  w_.accept("Hi,");
  w_.world.advance(milliseconds(10));
  ASSERT_TRUE(*got);
  EXPECT_THAT(texts(got), ElementsAre("Hi,"));
}

TEST_F(Receivers, AreGivenTheOldestFirstAndNoMoreThanTheyAskFor) {
  for (const auto* text : {"Hi,", "Hi, ", " Hi,"}) {
    w_.accept(text);
    w_.world.advance(milliseconds(10));
  }
  EXPECT_THAT(texts(receive(wanted("w", 2))), ElementsAre("Hi,", "Hi, "));
}

TEST_F(Receivers, AreServedTheNewestFirst) {
  const auto older = receive("one"), newer = receive("two");
  w_.accept("Hi,");
  w_.world.advance(milliseconds(10));
  EXPECT_FALSE(*older);
  EXPECT_TRUE(*newer);
}

TEST_F(Receivers, ShareWhatThereIs) {
  const auto one = receive("one"), two = receive("two");
  w_.accept("Hi,");
  w_.accept("Hi,");
  w_.world.advance(milliseconds(10));
  EXPECT_THAT(**one, SizeIs(1));
  EXPECT_THAT(**two, SizeIs(1));
  EXPECT_NE((**one)[0].now->id, (**two)[0].now->id);
}

TEST_F(Receivers, GetNothingWhenTheTimeIsOver) {
  const auto got = receive(wanted("w", 1, milliseconds(500)));
  w_.world.advance(milliseconds(600));
  ASSERT_TRUE(*got);
  EXPECT_THAT(**got, IsEmpty());
}

TEST_F(Receivers, LookOnceWithoutWaiting) {
  EXPECT_THAT(**receive(wanted("w", 1, milliseconds(0))), IsEmpty());
  w_.accept("Hi,");
  w_.world.advance(milliseconds(10));
  EXPECT_THAT(**receive(wanted("w", 1, milliseconds(0))), SizeIs(1));
}

TEST_F(Receivers, AreGivenWhatIsDueAgainThoughNobodyAnnouncesIt) {
  const auto id = w_.accept("Hi,");
  w_.world.run(w_.messages->claim({claim_request{{id, 1}}}));
  const auto got = receive("w");
  w_.world.advance(milliseconds(9'000));
  EXPECT_FALSE(*got) << "somebody works on it";
  w_.world.advance(milliseconds(2'000));
  EXPECT_TRUE(*got) << "its lease is over";
}

TEST_F(Receivers, ANewerRequestOfAWorkerTakesThePlaceOfItsOlderOne) {
  const auto older = receive("w"), newer = receive("w");
  ASSERT_TRUE(*older);
  EXPECT_THAT(**older, IsEmpty());
  w_.accept("Hi,");
  w_.world.advance(milliseconds(10));
  EXPECT_TRUE(*newer);
}

TEST_F(Receivers, AWorkerThatWantsNothingMoreEndsItsRequest) {
  const auto parked = receive("w");
  EXPECT_THAT(**receive(wanted("w", 0)), IsEmpty());
  EXPECT_TRUE(*parked);
  w_.accept("Hi,");
  w_.world.advance(milliseconds(1'000));
  EXPECT_FALSE(w_.find(w_.disk->rows().begin()->first)->held);
}

TEST_F(Receivers, WorkersOfWhomNothingIsKnownAreForgotten) {
  for (int i = 0; i < 100; ++i) receive(wanted("w" + std::to_string(i), 0));
  EXPECT_EQ(w_.receivers->workers_known(), 100U);
  w_.world.advance(milliseconds(1'000));
  EXPECT_EQ(w_.receivers->workers_known(), 0U);
}

TEST_F(Receivers, WhoHasHungUpCostsNoClaim) {
  const auto from = std::make_shared<http::peer>();
  const auto got = receive(wanted("w"), from);
  from->leave();
  w_.world.settle();
  ASSERT_TRUE(*got);
  const auto id = w_.accept("Hi,");
  w_.world.advance(milliseconds(1'000));
  EXPECT_EQ(w_.find(id)->claim, 0);
}

TEST_F(Receivers, WhatMayHaveBeenClaimedIsReleasedAndTheReceiverStaysParked) {
  w_.accept("Hi,");
  w_.disk->failing_answer = unavailable(unavailable::reason::outcome_unknown, "lost");
  const auto got = receive("w");
  w_.world.advance(milliseconds(100));
  ASSERT_TRUE(*got);
  EXPECT_THAT(texts(got), ElementsAre("Hi,"));
  EXPECT_EQ((*got)->front().now->unanswered, 1) << "the claim that nobody knew of does not count";
}

TEST_F(Receivers, WhatCannotBeDeliveredIsReleased) {
  const auto id = w_.accept("Hi,");
  const auto got = receive("w");
  w_.receivers->give_back(**got);
  w_.world.settle();
  EXPECT_FALSE(w_.find(id)->held);
  EXPECT_EQ(w_.find(id)->unanswered, 0);
  EXPECT_THAT(**receive("other"), SizeIs(1));
}

TEST_F(Receivers, AWorkerThatComesBackWithNothingInHandHasLostWhatItHad) {
  const auto id = w_.accept("Hi,");
  receive("w");
  const auto again = receive("w");
  w_.world.advance(milliseconds(10));
  ASSERT_TRUE(*again) << "it is open at once";
  EXPECT_EQ((**again)[0].now->id, id);
  EXPECT_EQ(w_.find(id)->unanswered, 2) << "and counted";
}

TEST_F(Receivers, AWorkerWithSomethingInHandKeepsIt) {
  w_.accept("Hi,");
  receive("w");
  auto more = wanted("w");
  more.in_hand = 1;
  const auto again = receive(std::move(more));
  w_.world.advance(milliseconds(1'000));
  EXPECT_FALSE(*again);
}

TEST_F(Receivers, WhatIsLargeComesByItself) {
  const std::string large = "Hi," + std::string(900, ' ');
  w_.accept("Hi,");
  w_.world.advance(milliseconds(10));
  w_.accept(large);
  w_.world.advance(milliseconds(10));
  w_.accept("Hi, ");
  w_.world.advance(milliseconds(10));
  EXPECT_THAT(texts(receive(wanted("one", 3))), ElementsAre("Hi,", "Hi, "));
  EXPECT_THAT(texts(receive(wanted("two", 3))), ElementsAre(large));
}

TEST_F(Receivers, WhatWasLeftUnansweredTwiceGoesAloneToWhoHasNothingInHand) {
  const auto id = poison();
  auto busy = wanted("busy");
  busy.in_hand = 1;
  const auto with_others = receive(std::move(busy));
  w_.world.advance(milliseconds(1'000));
  EXPECT_FALSE(*with_others);
  const auto got = receive("idle");
  w_.world.advance(milliseconds(300));
  ASSERT_TRUE(*got);
  EXPECT_EQ((**got)[0].now->id, id);
  EXPECT_TRUE((**got)[0].alone);
}

TEST_F(Receivers, WhoHasSomethingAloneIsGivenNothingElseUntilItIsSettled) {
  poison();
  const auto alone = receive("w");
  ASSERT_TRUE((**alone)[0].alone);
  w_.accept("Hi,");
  auto more = wanted("w");
  more.in_hand = 1;
  const auto next = receive(std::move(more));
  w_.world.advance(milliseconds(1'000));
  EXPECT_FALSE(*next);
  answer((**alone)[0]);
  w_.world.advance(milliseconds(300));
  EXPECT_TRUE(*next);
}

TEST_F(Receivers, WhoIsReservedForSomethingAloneIsGivenItAfterALeaseAllTheSame) {
  const auto id = poison();
  for (int i = 0; i < 50; ++i) w_.accept("Hi,");
  std::vector<received> got;
  for (int round = 0; round < 60 && (got.empty() || !*got.back() || !(**got.back())[0].alone); ++round) {
    if (got.empty() || *got.back()) {
      auto busy = wanted("w");
      busy.in_hand = 1;
      got.push_back(receive(std::move(busy)));
    }
    w_.world.advance(milliseconds(300));
  }
  ASSERT_TRUE(*got.back());
  EXPECT_EQ((**got.back())[0].now->id, id);
}

TEST_F(Receivers, ALonelyMessageDoesNotKeepTheOthersWaiting) {
  poison();
  w_.accept("Hi, ");
  const auto one = receive("one"), two = receive("two");
  w_.world.advance(milliseconds(300));
  EXPECT_TRUE(*one);
  EXPECT_TRUE(*two);
}

TEST_F(Receivers, AreToldWhenTheStoreIsAway) {
  w_.disk->failing = unavailable(unavailable::reason::away, "away");
  auto asked = wanted("w", 1, milliseconds(300));
  EXPECT_THROW(w_.world.run(w_.receivers->receive(std::move(asked), nullptr)), unavailable);
}

TEST_F(Receivers, GoOnWhenTheStoreIsBack) {
  w_.disk->failing = unavailable(unavailable::reason::away, "away");
  const auto got = receive("w");
  w_.world.advance(milliseconds(1'000));
  w_.disk->failing = {};
  w_.accept("Hi,");
  w_.world.advance(milliseconds(1'000));
  EXPECT_THAT(texts(got), ElementsAre("Hi,"));
}

TEST_F(Receivers, AreAnsweredWhenTheBrokerStops) {
  const auto got = receive("w");
  w_.receivers->send_home();
  w_.world.settle();
  ASSERT_TRUE(*got);
  w_.accept("Hi,");
  EXPECT_THAT(**receive("w"), IsEmpty()) << "nothing is handed out any more";
}

TEST_F(Receivers, AskNothingOfTheStoreWhenNobodyIsParked) {
  receive(wanted("w", 1, milliseconds(100)));
  w_.world.advance(milliseconds(5'000));
  const auto looks = w_.disk->looks;
  w_.accept("Hi,");
  w_.world.advance(milliseconds(5'000));
  EXPECT_EQ(w_.disk->looks, looks);
  EXPECT_EQ(w_.receivers->size(), 0U);
}

TEST_F(Receivers, SettleTheEventsOfWhatWaitsNoMore) {
  const auto first = w_.accept("Hi,");
  w_.world.settle();
  EXPECT_EQ(w_.depth("topic-a"), 1U);
  const auto got = receive("w");
  ASSERT_TRUE(*got);
  const auto next = receive(in_hand("w"));
  w_.world.advance(milliseconds(300));
  EXPECT_THAT(w_.engine.acknowledged, SizeIs(1)) << "its event";
  EXPECT_EQ(w_.find(first)->unanswered, 1);
}

TEST_F(Receivers, GiveBackTheEventsOfWhatNobodyTook) {
  for (int i = 0; i < 3; ++i) w_.accept("Hi,");
  const auto got = receive("w");
  ASSERT_TRUE(*got);
  w_.world.advance(milliseconds(5'000));
  EXPECT_GE(w_.depth("topic-a"), 2U) << "a service that listens to the engine may have them";
}

TEST(ReceiversWithoutAnEngine, AreGivenWhatNobodyRings) {
  tests::broker_world w;
  const auto alone = std::make_shared<receivers>(w.world.env(), message_store::async_store(w.world.env(), w.shared),
                                                 w.messages, nullptr, receivers_options{10, milliseconds(250)});
  receive_request asked;
  asked.queue = "topic-a";
  asked.worker = "w";
  asked.wait = milliseconds(10'000);
  const auto got = w.world.start(alone->receive(std::move(asked), nullptr));
  w.accept("Hi,");
  w.world.advance(milliseconds(10));
  EXPECT_THAT(got->value(), SizeIs(1));
  alone->send_home();
  w.world.run(alone->stop());
}

TEST(ReceiversBounds, AreBounded) {
  tests::broker_world w({"broker.http.receivers_max=1"});
  const auto ask = [&](const char* worker) {
    receive_request asked;
    asked.queue = "q";
    asked.worker = worker;
    asked.wait = milliseconds(10'000);
    return asked;
  };
  const auto first = w.world.start(w.receivers->receive(ask("one"), nullptr));
  EXPECT_FALSE(*first);
  EXPECT_THROW(w.world.run(w.receivers->receive(ask("two"), nullptr)), unavailable);
}

}  // namespace
}  // namespace amc::broker
