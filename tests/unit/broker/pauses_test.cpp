#include "broker/pauses.hpp"

#include <gmock/gmock.h>

#include "tests/support/broker_world.hpp"

namespace amc::broker {
namespace {

class Pauses : public testing::Test {
 protected:
  void pause(const std::string& queue) { ASSERT_TRUE(w_.world.run(w_.messages->pause(queue))); }
  void resume(const std::string& queue) { ASSERT_TRUE(w_.world.run(w_.messages->resume(queue))); }
  void pass(milliseconds time) { w_.world.advance(time); }

  tests::broker_world w_{{"broker.sweep_interval_ms=1000", "broker.ring_again_ms=30000"}};
};

TEST_F(Pauses, NothingOfAPausedQueueIsRung) {
  w_.parts->run(false);
  pause("topic-a");
  w_.accept("Hi, ");
  pass(milliseconds(5'000));
  EXPECT_EQ(w_.depth("topic-a"), 0U);
}

TEST_F(Pauses, WhatWaitedIsRungAtOnceWhenTheQueueIsResumed) {
  w_.parts->run(false);
  pause("topic-a");
  w_.accept("Hi, ");
  resume("topic-a");
  pass(milliseconds(50));
  EXPECT_EQ(w_.depth("topic-a"), 1U);
}

TEST_F(Pauses, WhatWasRungBeforeIsRungAgainSinceItsEventMayHaveFoundItsClaimRefused) {
  w_.parts->run(false);
  w_.accept("Hi, ");
  pause("topic-a");
  const auto refused = w_.world.run(w_.messages->claim({claim_request{w_.take("topic-a")}}));
  ASSERT_FALSE(refused.at(0));
  EXPECT_EQ(refused.at(0).error().code, errc::held);
  resume("topic-a");
  pass(milliseconds(50));
  EXPECT_EQ(w_.depth("topic-a"), 1U);
}

TEST_F(Pauses, WhatIsNewDoesNotOvertakeWhatWaitedThroughAPause) {
  w_.parts->run(false);
  pause("topic-a");
  const auto older = w_.accept("Hi, ");
  pass(milliseconds(100));
  resume("topic-a");
  w_.accept("Hi, ");
  pass(milliseconds(100));
  EXPECT_EQ(w_.take("topic-a").id, older);
}

TEST_F(Pauses, WhatIsParkedIsGivenNothingUntilTheQueueIsResumed) {
  w_.parts->run(false);
  receive_request asked;
  asked.queue = "topic-a";
  asked.worker = "w";
  asked.max_bytes = 1'000;
  asked.wait = milliseconds(20'000);
  const auto got = w_.world.start(w_.receivers->receive(asked, nullptr));
  pass(milliseconds(2'000));
  pause("topic-a");
  w_.accept("Hi, ");
  pass(milliseconds(5'000));
  EXPECT_FALSE(*got) << "it stays parked";
  resume("topic-a");
  pass(milliseconds(50));
  ASSERT_TRUE(*got);
  EXPECT_EQ((*got)->size(), 1U);
}

TEST_F(Pauses, OthersOnTheStoreKnowWithinOneSweep) {
  const auto others = w_.make_parts(tests::configured({"broker.sweep_interval_ms=1000"}));
  others->run(false);
  const auto id = w_.accept("Hi, ");
  pass(milliseconds(1'500));
  pause("topic-a");
  pass(milliseconds(1'000));
  EXPECT_FALSE(w_.world.run(others->messages()->claim({claim_request{{id, 1}}})).at(0));
  resume("topic-a");
  pass(milliseconds(1'000));
  EXPECT_TRUE(w_.world.run(others->messages()->claim({claim_request{{id, 1}}})).at(0));
  w_.world.run(others->stop());
}

TEST_F(Pauses, NobodyIsRefusedForAPauseThatAnotherHasEnded) {
  const auto others = w_.make_parts(tests::configured());
  const auto id = w_.accept("Hi, ");
  pause("topic-a");
  ASSERT_FALSE(w_.world.run(w_.messages->claim({claim_request{{id, 1}}})).at(0));
  ASSERT_TRUE(w_.world.run(others->messages()->resume("topic-a")));
  EXPECT_TRUE(w_.world.run(w_.messages->claim({claim_request{{id, 1}}})).at(0));
}

TEST_F(Pauses, OneThatStartsKnowsThem) {
  pause("topic-a");
  const auto id = w_.accept("Hi, ");
  const auto started = w_.make_parts(tests::configured());
  started->run(false);
  pass(milliseconds(10));
  EXPECT_FALSE(w_.world.run(started->messages()->claim({claim_request{{id, 1}}})).at(0));
  w_.world.run(started->stop());
}

TEST_F(Pauses, WhatExpiresInAPausedQueueExpires) {
  w_.parts->run(false);
  pause("topic-a");
  const auto id = w_.messages->new_id();
  life_cycle::accept_options soon{.expires_at = w_.world.wall_clock() + milliseconds(500)};
  ASSERT_TRUE(w_.world.run(w_.messages->accept(id, "Hi, ", soon)));
  pass(milliseconds(2'000));
  EXPECT_EQ(w_.find(id)->status, status::expired);
}

TEST_F(Pauses, NoMoreQueuesArePausedThanThereMayBe) {
  tests::broker_world small({"broker.queues_max=3"});
  for (const auto* queue : {"a", "b", "c"}) EXPECT_TRUE(small.world.run(small.messages->pause(queue)));
  EXPECT_TRUE(small.world.run(small.messages->pause("c"))) << "it is already";
  const auto refused = small.world.run(small.messages->pause("d"));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, testing::HasSubstr("broker.queues_max"));
}

TEST_F(Pauses, AreNotChangedWhileTheStoreIsAway) {
  pause("topic-a");
  w_.disk->failing_writes = unavailable(unavailable::reason::away, "away");
  EXPECT_THROW(w_.world.run(w_.messages->resume("topic-a")), unavailable);
  EXPECT_TRUE(w_.messages->paused("topic-a"));
  EXPECT_THROW(w_.world.run(w_.messages->pause("topic-b")), unavailable);
  EXPECT_FALSE(w_.messages->paused("topic-b"));
}

}  // namespace
}  // namespace amc::broker
