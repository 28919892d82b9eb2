#include "broker/messages.hpp"

#include <gmock/gmock.h>

#include "tests/support/broker_world.hpp"

namespace amc::broker {
namespace {

const std::vector<std::string> small{"broker.sweep_max=10", "broker.queue_depth_max=5"};

std::vector<claim_request> request_for(const event& ready, bool alone = false) {
  return {claim_request{ready, alone}};
}

TEST(Messages, AcceptRingsTheQueueOfTheRoute) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  ASSERT_EQ(w.depth("topic-a"), 1U);
  const auto rung = w.take("topic-a");
  EXPECT_EQ(rung.id, id);
  EXPECT_EQ(rung.revision, 1);
}

TEST(Messages, AcceptOfAnUnroutableTextStoresNothing) {
  tests::broker_world w;
  const auto refused = w.world.run(w.messages->accept(w.messages->new_id(), "Good morning"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::unroutable);
  EXPECT_EQ(w.disk->size(), 0U);
}

TEST(Messages, AcceptRingsNothingWhenTheStoreFails) {
  tests::broker_world w;
  w.disk->failing = unavailable(unavailable::reason::full, "full");
  EXPECT_THROW(w.accept("Hi, "), unavailable);
  EXPECT_EQ(w.depth("topic-a"), 0U);
}

TEST(Messages, AnswerRingsTheNextQueue) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  ASSERT_TRUE(w.world.run(w.messages->answer(id, 1, "Hi, X.")));
  EXPECT_EQ(w.take("topic-b").revision, 2);
}

TEST(Messages, AnswersAreRungThoughTheStoreGoesAwayBeforeOthersOfTheirBatchAreRefused) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  w.disk->failing_finds = unavailable(unavailable::reason::away, "away");
  std::vector<answer_request> batch;
  batch.push_back({w.messages->new_id(), 1, "no route knows this"});
  batch.push_back({id, 1, "Hi, X."});
  EXPECT_THROW(w.world.run(w.messages->answer(std::move(batch))), unavailable);
  EXPECT_EQ(w.depth("topic-b"), 1U);
}

TEST(Messages, AnAnswerThatFinishesRingsNothing) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  ASSERT_TRUE(w.world.run(w.messages->answer(id, 1, "Hi, X. Bye!")));
  EXPECT_EQ(w.depth("topic-b"), 0U);
  EXPECT_EQ(w.find(id)->status, status::done);
}

TEST(Messages, ARefusedAnswerRingsNothing) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  EXPECT_FALSE(w.world.run(w.messages->answer(id, 7, "Hi, X.")));
  EXPECT_EQ(w.depth("topic-b"), 0U);
}

TEST(Messages, WhatTheStoreCannotTakeIsRefusedAndItsNeighboursAreAnswered) {
  tests::broker_world w;
  w.disk->unfit = [](const change& what) -> std::optional<std::string> {
    if (what.then.text && what.then.text->find("odd") != std::string::npos) return "no such character";
    return {};
  };
  const auto refused = w.world.run(w.messages->accept(w.messages->new_id(), "Hi, odd."));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::invalid);
  EXPECT_THAT(refused.error().detail, testing::HasSubstr("no such character"));
  const auto one = w.accept("Hi, "), two = w.accept("Hi, ");
  std::vector<answer_request> batch;
  batch.push_back({one, 1, "Hi, odd."});
  batch.push_back({two, 1, "Hi, X."});
  const auto answered = w.world.run(w.messages->answer(std::move(batch)));
  EXPECT_EQ(answered.at(0).error().code, errc::invalid);
  EXPECT_TRUE(answered.at(1));
  EXPECT_EQ(w.depth("topic-b"), 1U);
}

TEST(Messages, AnUnroutableAnswerChangesNothing) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  EXPECT_EQ(w.world.run(w.messages->answer(id, 1, "Good night")).error().code, errc::unroutable);
  EXPECT_EQ(w.find(id)->revision, 1);
}

TEST(Messages, AClaimGivesTextAndLease) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  const auto results = w.world.run(w.messages->claim(request_for({id, 1})));
  ASSERT_TRUE(results.at(0));
  EXPECT_EQ(results[0]->text, "Hi, ");
  EXPECT_EQ(results[0]->claim, w.find(id)->claim);
  EXPECT_EQ(results[0]->lease, milliseconds(10'000));
}

TEST(Messages, AnswersWithoutARevisionMeetMaxRevisionsToo) {
  tests::broker_world w({"broker.max_revisions=3"});
  const auto id = w.accept("Hi, ");
  EXPECT_TRUE(w.world.run(w.messages->answer(id, std::nullopt, "Hi, A.")));
  EXPECT_TRUE(w.world.run(w.messages->answer(id, std::nullopt, "Hi, B.")));
  EXPECT_EQ(w.find(id)->revision, 3);
  const auto last = w.world.run(w.messages->answer(id, std::nullopt, "Hi, C."));
  ASSERT_TRUE(last);
  EXPECT_EQ((*last)->status, status::dead);
  EXPECT_EQ(w.find(id)->attempts.at(0).error, "more than 3 revisions");
  EXPECT_EQ(w.world.run(w.messages->answer(id, std::nullopt, "Hi, D.")).error().code, errc::terminal);
}

/// Three texts of 40 bytes, where one request is granted a hundred.
class ClaimsBoundedByBytes : public testing::Test {
 protected:
  ClaimsBoundedByBytes() {
    const std::string spaces(37, ' ');
    for (int i = 0; i < 3; ++i) ids_.push_back(w_.accept("Hi," + spaces));
  }
  std::vector<result<claimed_revision>> claim(const std::vector<uuid>& ids) {
    std::vector<claim_request> requests;
    for (const auto& id : ids) requests.push_back({{id, 1}});
    return w_.world.run(w_.messages->claim(std::move(requests)));
  }

  tests::broker_world w_{{"broker.claims_max_bytes=100"}};
  std::vector<uuid> ids_;
};

TEST_F(ClaimsBoundedByBytes, InABatchALargeOneIsLeftToARequestOfItsOwn) {
  const auto results = claim(ids_);
  EXPECT_TRUE(results.at(0)) << "the first comes whatever its size";
  EXPECT_EQ(results.at(1).error().code, errc::needs_room);
  EXPECT_EQ(results.at(2).error().code, errc::needs_room);
  EXPECT_EQ(w_.find(ids_[1])->unanswered, 0) << "it was not claimed";
  EXPECT_TRUE(claim({ids_[1]}).at(0));
}

TEST_F(ClaimsBoundedByBytes, WhatFitsIsGrantedTogether) {
  const auto results = claim({ids_[0], ids_[1]});
  EXPECT_TRUE(results.at(0));
  EXPECT_TRUE(results.at(1));
}

TEST(Messages, ADoubledEventCostsOneRefusedClaim) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  w.world.run(w.messages->claim(request_for({id, 1})));
  EXPECT_EQ(w.world.run(w.messages->claim(request_for({id, 1}))).at(0).error().code, errc::held);
}

TEST(Messages, LookingAtQueuesChangesNothingOfWhatTheRelayDoes) {
  tests::broker_world w;
  w.engine.away = true;
  const auto listed = w.world.run(w.messages->queues());
  EXPECT_FALSE(listed.at(0).depth);
  w.engine.away = false;
  EXPECT_TRUE(w.messages->engine_reachable());
  w.accept("Hi, ");
  EXPECT_EQ(w.depth("topic-a"), 1U) << "it is rung by the relay; no sweeper runs";
}

TEST(Sweeper, RingsAgainWhatNobodyClaimed) {
  tests::broker_world w;
  w.parts->run(false);
  w.accept("Hi, ");
  w.engine.queues.clear();  // the event is lost
  w.world.advance(milliseconds(29'000));
  EXPECT_EQ(w.depth("topic-a"), 0U);
  w.world.advance(milliseconds(1'300));
  EXPECT_EQ(w.depth("topic-a"), 1U);
}

TEST(Sweeper, AQueueThatFillsUpDoesNotPutOffTheNextLook) {
  tests::broker_world w({"broker.queue_depth_max=160"});
  w.parts->run(false);
  life_cycle::accept_options later;
  later.deliver_at = w.world.wall_clock() + milliseconds(245);
  w.world.run(w.messages->accept(w.messages->new_id(), "Hi, ", later));
  w.world.advance(milliseconds(240));
  for (int i = 0; i < 11; ++i) w.accept("Hi, ");  // so many that the sweeper asks for the depth
  w.engine.queues.clear();                        // and finds it empty
  w.world.advance(milliseconds(35));
  EXPECT_EQ(w.depth("topic-a"), 1U);
}

TEST(Sweeper, RingsWhatADeadServiceHeld) {
  tests::broker_world w;
  w.parts->run(false);
  const auto id = w.accept("Hi, ");
  w.world.run(w.messages->claim(request_for(w.take("topic-a"))));
  w.world.advance(milliseconds(9'900));
  EXPECT_EQ(w.depth("topic-a"), 0U);
  w.world.advance(milliseconds(400));
  ASSERT_EQ(w.depth("topic-a"), 1U);
  EXPECT_TRUE(w.world.run(w.messages->claim(request_for(w.take("topic-a")))).at(0));
  EXPECT_EQ(w.find(id)->unanswered, 2);
}

TEST(Sweeper, RingsWhatWasReleased) {
  tests::broker_world w;
  w.parts->run(false);
  const auto id = w.accept("Hi, ");
  w.world.run(w.messages->claim(request_for(w.take("topic-a"))));
  w.world.run(w.messages->release(std::vector<claimed>{{{id, 1}, w.find(id)->claim}}));
  w.world.advance(milliseconds(300));
  EXPECT_EQ(w.depth("topic-a"), 1U);
}

TEST(Sweeper, RingsEverythingAtOnceAfterAStartWithAnEmptyEngine) {
  tests::broker_world w;
  const auto held = w.accept("Hi, ");
  w.world.run(w.messages->claim(request_for({held, 1})));
  w.accept("Hi, ");
  w.engine.queues.clear();
  w.parts->run(true);
  w.world.advance(milliseconds(1));
  EXPECT_EQ(w.depth("topic-a"), 1U) << "what somebody holds waits for its lease";
}

TEST(Sweeper, WithoutRoomRowsWaitInTheStore) {
  tests::broker_world w(small);
  w.parts->run(false);
  for (int i = 0; i < 20; ++i) w.accept("Hi, ");
  EXPECT_EQ(w.depth("topic-a"), 5U);
  w.world.advance(milliseconds(1'000));
  EXPECT_EQ(w.depth("topic-a"), 5U);
}

TEST(Sweeper, ABacklogDoesNotMultiplyHoweverLongServicesAreAway) {
  tests::broker_world w(small);
  w.parts->run(false);
  for (int i = 0; i < 20; ++i) w.accept("Hi, ");
  w.world.advance(milliseconds(600'000));
  EXPECT_EQ(w.depth("topic-a"), 5U);
}

TEST(Sweeper, OneLookRingsAShareOfTheRoom) {
  tests::broker_world w({"broker.queue_depth_max=160"});
  w.engine.away = true;  // seen by the first look, so that nothing is rung as it is accepted
  w.parts->run(false);
  for (int i = 0; i < 200; ++i) w.accept("Hi, ");
  w.engine.away = false;
  w.world.advance(milliseconds(250));
  const auto first = w.depth("topic-a");
  EXPECT_EQ(first, 10U) << "others may have seen the same room";
  w.world.advance(milliseconds(2'000));
  EXPECT_EQ(w.depth("topic-a"), 160U);
}

TEST(Sweeper, BrokersThatRingOneQueueAskAgainBeforeItIsTooDeep) {
  const std::vector<std::string> depth_160{"broker.queue_depth_max=160"};
  tests::broker_world w(depth_160);
  const auto second = w.make_parts(tests::configured(depth_160));
  auto& other = *second->messages();
  w.parts->run(false);
  second->run(false);
  for (int i = 0; i < 150; ++i) {
    w.accept("Hi, ");
    ASSERT_TRUE(w.world.run(other.accept(other.new_id(), "Hi, ")));
    w.world.advance(milliseconds(1));
  }
  EXPECT_GE(w.depth("topic-a"), 160U);
  EXPECT_LE(w.depth("topic-a"), 160U + 2 * 20U) << "what both add in the 20 ms between two looks";
  w.world.run(second->stop());
}

/// Forty messages are accepted at one moment of a sweeper's first look, which finds five that are due.
std::size_t depth_after_messages_come(int steps_into_the_look) {
  tests::broker_world w({"broker.queue_depth_max=20"});
  for (int i = 0; i < 5; ++i) {
    life_cycle::accept_options later;
    later.deliver_at = w.world.wall_clock() + milliseconds(10);
    w.world.run(w.messages->accept(w.messages->new_id(), "Hi, ", later));
  }
  w.world.advance(milliseconds(10));
  const auto accept_one = [&w, steps_into_the_look]() -> task<void> {
    for (int i = 0; i < steps_into_the_look; ++i) co_await w.messages->store_trouble();
    auto accepted = w.messages->accept(w.messages->new_id(), "Hi, ");
    co_await std::move(accepted);
  };
  task_group at_once(w.world.env().executor);
  w.parts->run(false);
  for (int i = 0; i < 40; ++i) at_once.spawn(accept_one());
  w.world.run(at_once.drain());
  w.world.advance(milliseconds(1'000));
  return w.depth("topic-a");
}

TEST(Sweeper, WhatIsOnItsWayTakesRoom) {
  for (int steps = 0; steps < 6; ++steps) EXPECT_EQ(depth_after_messages_come(steps), 20U) << steps;
}

TEST(Sweeper, FeedsABacklogOldestFirstAsRoomComes) {
  tests::broker_world w(small);
  w.parts->run(false);
  std::vector<uuid> accepted;
  for (int i = 0; i < 50; ++i) {
    accepted.push_back(w.accept("Hi, "));
    w.world.advance(milliseconds(1));
  }
  std::vector<uuid> heard;
  while (heard.size() < accepted.size()) {
    ASSERT_GT(w.depth("topic-a"), 0U);
    const auto ready = w.take("topic-a");
    const auto claims = w.world.run(w.messages->claim(request_for(ready)));
    ASSERT_TRUE(claims.at(0)) << "nothing is rung twice meanwhile";
    ASSERT_TRUE(w.world.run(w.messages->answer(ready.id, 1, "Hi, X. Bye!")));
    heard.push_back(ready.id);
    w.world.advance(milliseconds(20));
  }
  EXPECT_EQ(heard, accepted);
}

TEST(Sweeper, RestsWhenABacklogIsOver) {
  tests::broker_world w(small);
  w.parts->run(false);
  for (int i = 0; i < 20; ++i) w.accept("Hi, ");
  for (const auto& [id, m] : w.disk->rows()) w.world.run(w.messages->cancel(id));
  w.engine.queues["topic-a"].clear();
  w.world.advance(milliseconds(1'000));
  const auto looks = w.disk->dues;
  w.world.advance(milliseconds(10'000));
  EXPECT_LE(w.disk->dues - looks, 10'000 / 250 + 1) << "one look each broker.sweep_interval_ms";
}

TEST(Sweeper, NewMessagesWaitBehindABacklog) {
  tests::broker_world w(small);
  w.parts->run(false);
  for (int i = 0; i < 20; ++i) w.accept("Hi, ");
  w.world.advance(milliseconds(300));
  w.engine.queues["topic-a"].clear();
  const auto late = w.accept("Hi, ");
  EXPECT_EQ(w.depth("topic-a"), 0U) << "it does not overtake";
  EXPECT_EQ(w.find(late)->due, w.world.wall_clock());
}

TEST(Sweeper, TwoSweepersRingOnce) {
  tests::broker_world w;
  const auto second = w.make_parts(tests::configured());
  w.parts->run(false);
  second->run(false);
  w.accept("Hi, ");
  w.engine.queues.clear();
  w.world.advance(milliseconds(30'500));
  EXPECT_EQ(w.depth("topic-a"), 1U);
  w.world.run(second->stop());
}

TEST(Sweeper, AnAbsentEngineOnlyLeavesRowsDue) {
  tests::broker_world w;
  w.parts->run(false);
  w.engine.away = true;
  w.world.advance(milliseconds(300));
  w.accept("Hi, ");
  EXPECT_FALSE(w.messages->engine_reachable());
  w.engine.away = false;
  w.world.advance(milliseconds(600));
  EXPECT_TRUE(w.messages->engine_reachable());
  EXPECT_EQ(w.depth("topic-a"), 1U);
}

TEST(Sweeper, SurvivesAStoreThatIsAway) {
  tests::broker_world w;
  w.parts->run(false);
  w.accept("Hi, ");
  w.engine.queues.clear();
  w.disk->failing = unavailable(unavailable::reason::away, "away");
  w.world.advance(milliseconds(40'000));
  w.disk->failing.reset();
  w.world.advance(milliseconds(300));
  EXPECT_EQ(w.depth("topic-a"), 1U);
}

TEST(Sweeper, BuriesWhatKillsEveryServiceThatClaimsIt) {
  tests::broker_world w({"broker.max_claims=3"});
  w.parts->run(false);
  const auto id = w.accept("Hi, ");
  for (int claims = 1; claims <= 3; ++claims) {
    ASSERT_EQ(w.find(id)->status, status::pending);
    ASSERT_TRUE(w.world.run(w.messages->claim(request_for({id, 1, {}}, true))).at(0));
    w.world.advance(milliseconds(10'500));
  }
  EXPECT_EQ(w.find(id)->status, status::dead);
  EXPECT_EQ(w.find(id)->attempts.back().error, "no answer to 3 claims");
}

TEST(Sweeper, ExpiresWhatIsOverAlsoWithoutAnEngine) {
  tests::broker_world w;
  w.parts->run(false);
  w.engine.away = true;
  const auto id = w.messages->new_id();
  w.world.run(w.messages->accept(id, "Hi, ", {.expires_at = w.world.wall_clock() + milliseconds(5'000)}));
  w.world.advance(milliseconds(4'900));
  EXPECT_EQ(w.find(id)->status, status::pending);
  w.world.advance(milliseconds(400));
  EXPECT_EQ(w.find(id)->status, status::expired);
}

TEST(Sweeper, RingsWhatIsToBeDeliveredLaterWhenItsTimeHasCome) {
  tests::broker_world w;
  w.parts->run(true);
  w.world.run(
      w.messages->accept(w.messages->new_id(), "Hi, ", {.deliver_at = w.world.wall_clock() + milliseconds(60'000)}));
  w.world.advance(milliseconds(59'900));
  EXPECT_EQ(w.depth("topic-a"), 0U);
  w.world.advance(milliseconds(400));
  EXPECT_EQ(w.depth("topic-a"), 1U);
}

TEST(Sweeper, RingsAFailedMessageAfterItsPause) {
  tests::broker_world w({"broker.back_off_initial_ms=2000", "broker.back_off_jitter_percent=0"});
  w.parts->run(false);
  const auto id = w.accept("Hi, ");
  const auto claims = w.world.run(w.messages->claim(request_for(w.take("topic-a"))));
  w.world.run(w.messages->fail({failed_claim{{{id, 1, {}}, claims.at(0)->claim}, "it broke"}}));
  w.world.advance(milliseconds(1'900));
  EXPECT_EQ(w.depth("topic-a"), 0U);
  w.world.advance(milliseconds(400));
  EXPECT_EQ(w.depth("topic-a"), 1U);
}

TEST(Messages, ARouteMayTreatItsQueueOtherwise) {
  tests::broker_world w(
      {"broker.routes=[{match: '^Hi,$', queue: quick, lease_ms: 50, max_failures: 0}, {match: 'x', queue: "
       "usual}]"});
  const auto quick = w.accept("Hi,"), usual = w.accept("x");
  EXPECT_EQ(w.world.run(w.messages->claim(request_for({quick, 1, {}}))).at(0)->lease, milliseconds(50));
  EXPECT_EQ(w.world.run(w.messages->claim(request_for({usual, 1, {}}))).at(0)->lease, milliseconds(10'000));
  for (const auto& id : {quick, usual})
    w.world.run(w.messages->fail({failed_claim{{{id, 1, {}}, w.find(id)->claim}, "x"}}));
  EXPECT_EQ(w.find(quick)->status, status::dead);
  EXPECT_EQ(w.find(usual)->status, status::pending);
}

TEST(Messages, ATraceTravelsWithTheEvent) {
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  tests::broker_world w;
  w.world.run(w.messages->accept(w.messages->new_id(), "Hi, ", {.traceparent = trace}));
  EXPECT_EQ(w.take("topic-a").traceparent, trace);
}

TEST(Purger, DeletesWhatWasFinishedLongAgo) {
  tests::broker_world w({"broker.retention_ms=60000", "broker.purge_max=3"});
  w.parts->run(false);
  for (int i = 0; i < 10; ++i) w.world.run(w.messages->answer(w.accept("Hi, "), 1, "Hi, X. Bye!"));
  const auto pending = w.accept("Hi, ");
  w.world.advance(milliseconds(59'000));
  EXPECT_EQ(w.disk->size(), 11U);
  w.world.advance(milliseconds(6'000));
  EXPECT_EQ(w.disk->size(), 1U);
  EXPECT_TRUE(w.find(pending));
}

TEST(Destinations, AreOnlyThoseThatConfigurationNamesWhenQueuesAreClosed) {
  tests::broker_world w({"broker.queues_closed=true", "broker.queues=[{name: orders, lease_ms: 70}]"});
  const auto sent_to = [&](const std::string& queue) {
    life_cycle::accept_options options;
    options.to = to_queue{queue};
    return w.world.run(w.messages->accept(w.messages->new_id(), "x", std::move(options)));
  };
  const auto taken = sent_to("orders");
  ASSERT_TRUE(taken);
  EXPECT_EQ((*taken)->lease, milliseconds(70)) << "it is treated as its entry says";
  EXPECT_TRUE(sent_to("topic-a")) << "a route names it";
  const auto refused = sent_to("ordres");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, testing::HasSubstr("\"orders\""));
}

TEST(Destinations, AreBoundedInNumber) {
  tests::broker_world w({"broker.queues_max=3"});  // two of them are in the routes
  const auto sent_to = [&](const std::string& queue) {
    life_cycle::accept_options options;
    options.to = to_queue{queue};
    return w.world.run(w.messages->accept(w.messages->new_id(), "x", std::move(options))).has_value();
  };
  EXPECT_TRUE(sent_to("one"));
  EXPECT_FALSE(sent_to("two"));
  EXPECT_TRUE(sent_to("one"));
  EXPECT_TRUE(sent_to("topic-b"));
}

TEST(Sweeping, ALookIsBoundedHoweverManyQueuesThereAre) {
  EXPECT_EQ(rows_of_each_queue(1'000, 0), 1'000U);
  EXPECT_EQ(rows_of_each_queue(1'000, 100), 1'000U);
  EXPECT_EQ(rows_of_each_queue(1'000, 1'000), 100U);
  EXPECT_EQ(rows_of_each_queue(1'000, 1'000'000), 1U);
}

}  // namespace
}  // namespace amc::broker
