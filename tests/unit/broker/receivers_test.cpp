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

TEST_F(Receivers, AskForFewerOfWhatIsLarge) {
  life_cycle::accept_options options;
  options.to = to_queue{"topic-a"};
  for (int i = 0; i < 40; ++i) w_.world.run(w_.messages->accept(w_.messages->new_id(), std::string(300, '.'), options));
  std::size_t requests = 0, came = 0;
  for (; came < 40 && requests < 40; ++requests) came += (*receive(wanted("w", 40)))->size();
  EXPECT_EQ(came, 40U);
  EXPECT_LE(requests, 25U) << "of 1,000 bytes each";
}

TEST_F(Receivers, AreServedTheNewestFirst) {
  const auto older = receive("one"), newer = receive("two");
  w_.world.advance(milliseconds(10));
  w_.accept("Hi,");
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

TEST_F(Receivers, LonelyMessagesHideNoOthers) {
  std::vector<uuid> poisonous;
  for (int i = 0; i < 40; ++i) poisonous.push_back(w_.accept("Hi,"));
  for (int i = 0; i < life_cycle::claims_in_company; ++i) {
    for (const auto& id : poisonous) w_.world.run(w_.messages->claim({claim_request{{id, 1}}}));
    w_.world.advance(milliseconds(11'000));
  }
  w_.accept(" Hi,");
  receive(in_hand("one"));  // is reserved for what must be alone
  const auto got = receive(in_hand("two"));
  w_.world.advance(milliseconds(10));
  ASSERT_TRUE(*got);
  EXPECT_THAT(texts(got), ElementsAre(" Hi,"));
}

TEST_F(Receivers, LonelyMessagesTakeTurnsWithOthersThatTheyHide) {
  std::vector<uuid> poisonous;
  for (int i = 0; i < 40; ++i) poisonous.push_back(w_.accept("Hi,"));
  for (int i = 0; i < life_cycle::claims_in_company; ++i) {
    for (const auto& id : poisonous) w_.world.run(w_.messages->claim({claim_request{{id, 1}}}));
    w_.world.advance(milliseconds(11'000));
  }
  for (int i = 0; i < 2; ++i) w_.accept(" Hi,");
  std::vector<bool> alone;
  for (int i = 0; i < 4; ++i) {
    const auto got = receive("w" + std::to_string(i));
    w_.world.advance(milliseconds(50));
    alone.push_back((*got)->front().alone);
  }
  EXPECT_THAT(alone, ElementsAre(true, false, true, false));
}

// ---- the hand-off ----

class HandOff : public Receivers {
 protected:
  /// Parked, and a look has found nothing.
  received park(receive_request asked) {
    auto got = receive(std::move(asked));
    w_.world.advance(milliseconds(10));
    EXPECT_FALSE(*got);
    return got;
  }
  received park(const std::string& worker, std::size_t max = 1) { return park(wanted(worker, max)); }
};

TEST_F(HandOff, WhatArrivesIsStoredClaimedForWhoWaits) {
  const auto got = park("w");
  const auto looks = w_.disk->looks;
  const auto id = w_.accept("Hi,");
  ASSERT_TRUE(*got) << "without a look";
  EXPECT_EQ(w_.disk->looks, looks);
  const auto& given = *(*got)->front().now;
  EXPECT_EQ(given.text, "Hi,");
  const auto row = w_.find(id);
  EXPECT_TRUE(row->held);
  EXPECT_EQ(row->claim, given.claim);
  EXPECT_NE(row->claim, 0);
  EXPECT_EQ(row->unanswered, 1);
  EXPECT_EQ(w_.depth("topic-a"), 0U) << "nobody rings for it";
}

TEST_F(HandOff, SoIsTheNextRevision) {
  auto asked = wanted("w");
  asked.queue = "topic-b";
  const auto first = w_.accept("Hi,");
  const auto got = park(asked);
  w_.world.run(w_.messages->answer(first, 1, "Hi, X."));
  ASSERT_TRUE(*got);
  EXPECT_EQ((*got)->front().now->revision, 2);
  EXPECT_EQ(w_.find(first)->claim, (*got)->front().now->claim);
}

TEST_F(HandOff, AWorkerTakesNoMoreThanItAskedFor) {
  const auto got = park("w", 2);
  std::vector<answer_request> answers;
  for (const auto* text : {"Hi,", "Hi, ", " Hi,"}) answers.push_back({w_.accept("Hi, X."), 1, text, {}, {}});
  w_.world.run(w_.messages->answer(std::move(answers)));
  EXPECT_THAT(texts(got), ElementsAre("Hi,", "Hi, "));
}

TEST_F(HandOff, NorMoreBytes) {
  auto asked = wanted("w", 3);
  asked.max_bytes = 8;
  const auto got = park(asked);
  std::vector<answer_request> answers;
  for (const auto* text : {"Hi,", "Hi, ", " Hi,"}) answers.push_back({w_.accept("Hi, X."), 1, text, {}, {}});
  w_.world.run(w_.messages->answer(std::move(answers)));
  EXPECT_THAT(texts(got), ElementsAre("Hi,", "Hi, "));
}

TEST_F(HandOff, ButForTheFirstWhateverItsSize) {
  auto asked = wanted("w", 3);
  asked.max_bytes = 1;
  const auto got = park(asked);
  w_.accept("Hi,");
  EXPECT_TRUE(*got);
}

TEST_F(HandOff, NotOfWhatIsToBeDeliveredLater) {
  const auto got = park("w");
  life_cycle::accept_options options;
  options.deliver_at = w_.world.wall_clock() + milliseconds(5'000);
  const auto stored = w_.world.run(w_.messages->accept(w_.messages->new_id(), "Hi,", std::move(options))).value();
  EXPECT_EQ(stored->claim, 0);
  EXPECT_FALSE(*got);
}

TEST_F(HandOff, NotOfWhatHasExpiredWhenItComes) {
  const auto got = park("w");
  life_cycle::accept_options options;
  options.expires_at = w_.world.wall_clock();
  const auto id = w_.messages->new_id();
  w_.world.run(w_.messages->accept(id, "Hi,", std::move(options))).value();
  w_.world.advance(milliseconds(100));
  EXPECT_FALSE(*got);
  EXPECT_FALSE(w_.find(id)->held) << "the sweeper ends it";
  EXPECT_EQ(w_.find(id)->unanswered, 0);
}

TEST_F(HandOff, NorOfTheNextRevisionOfWhatHasExpired) {
  auto asked = wanted("w");
  asked.queue = "topic-b";
  life_cycle::accept_options options;
  options.expires_at = w_.world.wall_clock() + milliseconds(100);
  const auto id = w_.messages->new_id();
  w_.world.run(w_.messages->accept(id, "Hi,", std::move(options))).value();
  w_.world.advance(milliseconds(200));
  const auto got = park(asked);
  w_.world.run(w_.messages->answer(id, 1, "Hi, X."));
  w_.world.advance(milliseconds(100));
  EXPECT_FALSE(*got);
}

TEST_F(HandOff, OnlyToWhomALookHasFoundNothingFor) {
  w_.disk->failing_looks = unavailable(unavailable::reason::away, "away");
  const auto got = receive("w");
  w_.world.advance(milliseconds(50));
  const auto id = w_.accept("Hi,");
  EXPECT_EQ(w_.find(id)->claim, 0);
  EXPECT_FALSE(*got);
  w_.disk->failing_looks.reset();
  w_.world.advance(milliseconds(300));
  EXPECT_TRUE(*got);
}

TEST_F(HandOff, NotWhileSomethingIsOnItsWayIntoItsQueue) {
  const auto got = park("w");
  // Of two that are stored together the first goes to nobody: it names no revision.
  const auto first = w_.accept("Hi, X."), second = w_.accept("Hi, X.");
  std::vector<answer_request> answers;
  answers.push_back({first, {}, "Hi,", {}, {}});
  answers.push_back({second, 1, " Hi,", {}, {}});
  w_.world.run(w_.messages->answer(std::move(answers)));
  w_.world.advance(milliseconds(10));
  EXPECT_THAT(texts(got), ElementsAre("Hi,"));
  EXPECT_EQ(w_.find(second)->claim, 0);
}

TEST_F(HandOff, NotOfWhatIsReleasedMeanwhile) {
  const auto taken = receive(wanted("one", 1));
  const auto id = w_.accept("Hi,");
  w_.world.advance(milliseconds(10));
  ASSERT_TRUE(*taken);
  const auto got = park("two");
  w_.world.run(w_.messages->release(std::vector<claimed>{{{id, 1}, (*taken)->front().now->claim}}));
  const auto newer = w_.accept(" Hi,");
  w_.world.advance(milliseconds(10));
  EXPECT_THAT(texts(got), ElementsAre("Hi,")) << "which is older";
  EXPECT_EQ(w_.find(newer)->claim, 0);
}

TEST_F(HandOff, WhatMayHaveBeenStoredIsReleasedAndTheReceiverStaysParked) {
  const auto got = park("w");
  w_.disk->failing_answer = unavailable(unavailable::reason::outcome_unknown, "lost");
  EXPECT_THROW(w_.world.run(w_.messages->accept(w_.messages->new_id(), "Hi,")), unavailable);
  w_.world.advance(milliseconds(100));
  ASSERT_TRUE(*got) << "a look has found it";
  EXPECT_EQ((*got)->front().now->unanswered, 1) << "the claim that nobody knew of does not count";
}

TEST_F(HandOff, WhereTheStoreTookNothingTheReceiverStaysParked) {
  const auto got = park("w");
  w_.disk->failing_inserts = unavailable(unavailable::reason::full, "full");
  EXPECT_THROW(w_.accept("Hi,"), unavailable);
  EXPECT_FALSE(*got);
  w_.disk->failing_inserts.reset();
  w_.accept(" Hi,");
  EXPECT_THAT(texts(got), ElementsAre(" Hi,"));
}

TEST_F(HandOff, WhatWasMadeByAKeyBeforeIsHandedOffOnce) {
  const auto got = park("one");
  const auto post = [&] {
    life_cycle::accept_options options;
    options.once = idempotency{"key", "print", milliseconds(1'000'000)};
    return w_.world.run(w_.messages->accept(w_.messages->new_id(), "Hi,", std::move(options))).value();
  };
  const auto first = post();
  ASSERT_TRUE(*got);
  const auto next = park("two");
  EXPECT_EQ(post()->id, first->id);
  w_.world.advance(milliseconds(1'000));
  EXPECT_FALSE(*next);
  EXPECT_EQ(w_.find(first->id)->unanswered, 1);
}

TEST_F(HandOff, NotWhenTheBrokerStops) {
  const auto got = park("w");
  w_.receivers->send_home();
  const auto id = w_.accept("Hi,");
  EXPECT_EQ(w_.find(id)->claim, 0);
  EXPECT_THAT(**got, IsEmpty());
}

TEST_F(HandOff, NotToWhoHasHungUp) {
  const auto from = std::make_shared<http::peer>();
  const auto got = receive(wanted("w"), from);
  w_.world.advance(milliseconds(10));
  from->leave();
  const auto id = w_.accept("Hi,");
  EXPECT_EQ(w_.find(id)->claim, 0);
}

TEST(LongLeases, AreGivenOnceTheDeliveryHasBeenWritten) {
  tests::broker_world w({"broker.lease_ms=60000"});
  const auto id = w.accept("Hi,");
  const auto reply = w.ask("POST", "/queues/topic-a/receive", R"({"worker":"w"})");
  w.world.settle();
  EXPECT_EQ(w.find(id)->due, w.world.wall_clock() + milliseconds(60'000));
  EXPECT_EQ(w.find(id)->unanswered, 1);
}

TEST(LongLeases, WhatIsNotWrittenForLongIsGivenBack) {
  tests::broker_world w({"broker.lease_ms=60000"});
  const auto id = w.accept("Hi,");
  http::request asked{"POST", "/queues/topic-a/receive", {}, R"({"worker":"w"})"};
  const auto reply = w.world.run(w.api->handle(asked));
  EXPECT_EQ(w.find(id)->due, w.world.wall_clock() + milliseconds(10'000)) << "while it is not written";
  w.world.advance(milliseconds(4'500));
  EXPECT_TRUE(w.find(id)->held);
  w.world.advance(milliseconds(1'000));
  EXPECT_FALSE(w.find(id)->held);
  EXPECT_EQ(w.find(id)->unanswered, 0);
  reply.receipt->written();
  w.world.settle();
  EXPECT_FALSE(w.find(id)->held) << "it comes too late";
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

TEST(ReceiversOfSeveralBrokers, LookAtOnceWhereAnotherHasLeftSomething) {
  tests::broker_world w({"broker.sweep_interval_ms=60000"});
  receive_request asked;
  asked.queue = "topic-a";
  asked.worker = "w";
  asked.wait = milliseconds(20'000);
  const auto got = w.world.start(w.receivers->receive(std::move(asked), nullptr));
  w.world.advance(milliseconds(100));
  const auto id = system_uuid_source()();
  w.disk->apply(std::vector<change>{
      life_cycle::accept(id, "Hi,", life_cycle::to_queue{"topic-a"}, false, tests::default_rules())});
  w.world.advance(milliseconds(1'000));
  EXPECT_FALSE(*got) << "nobody has told of it";
  change_feed::news news;
  news.queues = {"topic-a"};
  w.elsewhere.push_back(news);
  w.world.advance(milliseconds(1'000));
  EXPECT_TRUE(*got);
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
  auto only_looks = ask("two");
  only_looks.wait = {};
  EXPECT_TRUE(w.world.run(w.receivers->receive(only_looks, nullptr)).empty()) << "and is not refused";
  auto of_this_process = ask("three");
  of_this_process.has_place = true;
  EXPECT_FALSE(*w.world.start(w.receivers->receive(of_this_process, nullptr)));
  EXPECT_EQ(w.receivers->size(), 2U);
}

// ---- requests that stand ----

class StandingReceivers : public Receivers {
 protected:
  /// What it was given is kept, and not settled.
  received stand(std::size_t max, std::int64_t max_bytes = 1'000, milliseconds wait = milliseconds(20'000)) {
    auto asked = wanted("w", 0, wait);
    room_ = asked.stands = std::make_shared<standing>();
    room_->max = max;
    room_->max_bytes = max_bytes;
    room_->give = [this](std::vector<handed> came) {
      for (auto& one : came) given_.push_back(std::move(one));
    };
    auto over = receive(std::move(asked));
    w_.world.advance(milliseconds(10));
    return over;
  }
  void offer(std::size_t deliveries, std::int64_t bytes = 0, std::size_t in_hand = 0) {
    room_->max += deliveries;
    room_->max_bytes += bytes;
    w_.receivers->offered("topic-a", *room_, in_hand);
    w_.world.advance(milliseconds(10));
  }
  void accept(int count) {
    for (int i = 0; i < count; ++i) w_.accept("Hi,");
    w_.world.advance(milliseconds(10));
  }
  std::shared_ptr<standing> room_;
  std::vector<handed> given_;
};

TEST_F(StandingReceivers, AreGivenWhatWaitsAndWhatComes) {
  accept(2);
  const auto over = stand(10);
  EXPECT_THAT(given_, SizeIs(2));
  accept(3);
  EXPECT_THAT(given_, SizeIs(5));
  EXPECT_FALSE(*over);
  EXPECT_EQ(room_->max, 5U);
  EXPECT_EQ(room_->max_bytes, 1'000 - 5 * 3);
}

TEST_F(StandingReceivers, AreHandedWhatComesThoughTheyHaveSomethingInHand) {
  stand(10);
  accept(4);
  EXPECT_THAT(given_, SizeIs(4));
  for (const auto& one : given_) EXPECT_EQ(one.now->created_at, one.now->updated_at) << "stored with its claim";
}

TEST_F(StandingReceivers, AreGivenNoMoreThanThereIsRoomFor) {
  stand(2);
  accept(5);
  EXPECT_THAT(given_, SizeIs(2));
  offer(2);
  EXPECT_THAT(given_, SizeIs(4));
  offer(2);
  EXPECT_THAT(given_, SizeIs(5));
}

TEST_F(StandingReceivers, AreGivenNoLongerTextsThanThereIsRoomFor) {
  stand(10, 7);  // each has three bytes, and the first comes whatever its size
  accept(5);
  EXPECT_THAT(given_, SizeIs(3));
  EXPECT_EQ(room_->max_bytes, 7 - 3 * 3) << "the last one is larger than what was left";
  offer(0, 2);
  EXPECT_THAT(given_, SizeIs(3));
  offer(0, 1);
  EXPECT_THAT(given_, SizeIs(4));
}

TEST_F(StandingReceivers, AreHandedOverNothingThatWaits) {
  stand(2);
  accept(3);
  const auto waits = w_.accept("Hi, ");
  offer(1);
  w_.accept(" Hi,");
  offer(5);
  ASSERT_THAT(given_, SizeIs(5));
  EXPECT_EQ(given_[3].now->id, waits);
}

TEST_F(StandingReceivers, AreHandedWhatComesAgainOnceNothingWaits) {
  stand(2);
  accept(3);
  offer(5);
  ASSERT_THAT(given_, SizeIs(3));
  accept(1);
  ASSERT_THAT(given_, SizeIs(4));
  EXPECT_EQ(given_[3].now->created_at, given_[3].now->updated_at);
}

TEST_F(StandingReceivers, AreHandedWhatComesForAsLongAsTheyStand) {
  stand(1'000, 1'000'000, milliseconds(60'000));
  for (int i = 0; i < 200; ++i) {
    accept(1);
    answer(given_.back());
    w_.world.advance(milliseconds(90));
  }
  ASSERT_THAT(given_, SizeIs(200));
  for (const auto& one : given_) EXPECT_EQ(one.now->created_at, one.now->updated_at) << "stored with its claim";
}

TEST_F(StandingReceivers, ReturnWhenTheirTimeIsOver) {
  const auto over = stand(10, 1'000, milliseconds(500));
  accept(1);
  EXPECT_FALSE(*over);
  w_.world.advance(milliseconds(600));
  ASSERT_TRUE(*over);
  EXPECT_THAT(**over, IsEmpty());
  accept(1);
  EXPECT_THAT(given_, SizeIs(1));
}

TEST_F(StandingReceivers, EndWhenTheirWorkerWantsNothingMore) {
  const auto over = stand(10);
  receive(wanted("w", 0));
  EXPECT_TRUE(*over);
  accept(1);
  EXPECT_THAT(given_, IsEmpty());
}

TEST_F(StandingReceivers, HavePoisonAlone) {
  const auto bad = poison();
  const auto over = stand(10);
  ASSERT_THAT(given_, SizeIs(1));
  EXPECT_TRUE(given_[0].alone);
  EXPECT_EQ(given_[0].now->id, bad);
  EXPECT_TRUE(*over) << "its room is for company";
  accept(2);
  answer(given_[0]);
  w_.world.advance(milliseconds(1'100));
  EXPECT_THAT(given_, SizeIs(1));
  stand(9);
  EXPECT_THAT(given_, SizeIs(3));
}

}  // namespace
}  // namespace amc::broker
