#include "broker/explanation.hpp"

#include <gmock/gmock.h>

#include "tests/support/configured.hpp"

namespace amc::broker {
namespace {

constexpr timestamp posted{milliseconds(1'700'000'000'000)};  // 2023-11-14T22:13:20Z

/// What is known of a message of "orders" that was posted a minute ago.
class Explanation : public testing::Test {
 protected:
  Explanation() {
    m_.queue = "orders";
    m_.due = posted;
    m_.max_claims = 5;
    m_.created_at = m_.updated_at = posted;
    of_.now = posted + milliseconds(60'000);
    of_.rules = tests::default_rules();
    of_.watching_for = milliseconds(720'000);
  }

  explanation explained() {
    of_.what = std::make_shared<const message>(m_);
    return explain(of_);
  }
  void expect(whereabouts reason, const std::string& sentence) {
    const auto told = explained();
    EXPECT_STREQ(to_string(told.reason), to_string(reason));
    EXPECT_EQ(told.sentence, sentence);
  }
  timestamp in(int ms) const { return of_.now + milliseconds(ms); }
  void claim(const char* holder, int lease_ends_in_ms) {
    m_.held = true;
    m_.unanswered = 1;
    m_.claim = 4711;
    m_.holder = holder;
    m_.due = in(lease_ends_in_ms);
  }
  void end(status as) {
    m_.status = as;
    m_.updated_at = posted + milliseconds(3'200);
  }
  void seen(const char* service, int ago_ms) { of_.services.push_back({service, milliseconds(ago_ms)}); }

  message m_;
  explanation_facts of_;
};

TEST_F(Explanation, WaitsBehindABacklog) {
  for (const auto* service : {"a", "b", "c"}) seen(service, 10);
  of_.older = 1'204;
  of_.at = pace{2'400, 60, 1};
  const auto told = explained();
  EXPECT_EQ(told.reason, whereabouts::backlog);
  EXPECT_EQ(told.sentence, "waits in orders: 1,204 older ones; 3 services take 40/s; about 30 s (24 s to 37 s)");
  EXPECT_EQ(told.older, 1'204U);
  EXPECT_EQ(told.rate_per_s, 40);
  EXPECT_EQ(told.taken_in->likely, milliseconds(30'125));
}

TEST_F(Explanation, HasNoEstimateWhereThePaceIsNotKnown) {
  seen("invoicer", 10);
  of_.older = 1;
  expect(whereabouts::backlog, "waits in orders: 1 older one; invoicer receives");
  EXPECT_FALSE(explained().taken_in || explained().rate_per_s);
}

TEST_F(Explanation, WhoMayHaveGoneIsNotSaidToReceive) {
  seen("invoicer", 30'000);
  expect(whereabouts::next, "waits in orders: it is next; invoicer was seen last 30 s ago");
  of_.parked = 1;
  expect(whereabouts::next, "waits in orders: it is next; invoicer receives");
}

TEST_F(Explanation, HasNoEstimateWhereNotAllAreCounted) {
  seen("invoicer", 10);
  of_.older = 10'000;
  of_.older_is_all = false;
  of_.at = pace{3, 60, 1};
  expect(whereabouts::backlog, "waits in orders: more than 10,000 older ones; invoicer takes 3 a minute");
  EXPECT_FALSE(explained().taken_in);
}

TEST_F(Explanation, IsNext) {
  of_.parked = 2;
  expect(whereabouts::next, "waits in orders: it is next; 2 requests for work are parked");
}

TEST_F(Explanation, WhoHoldsAClaimReceivesAcrossBrokers) {
  of_.holders = {"billing/w1", "billing/w2", ""};
  of_.older = 3;
  expect(whereabouts::backlog, "waits in orders: 3 older ones; 2 services receive");
}

TEST_F(Explanation, NobodyHasReceivedFromAQueueThatIsMisspelt) {
  m_.queue = "topc-a";
  of_.received_from = {"topic-b", "topic-a", "orders"};
  expect(whereabouts::nobody_receives,
         "nobody has received from topc-a through this broker, which has run for 12 min, and nobody holds a message of "
         "it; the nearest queue that is received from is topic-a");
  EXPECT_EQ(explained().nearest_queue, "topic-a");
}

TEST_F(Explanation, NoQueueIsNamedThatIsNotLikeThisOne) {
  of_.received_from = {"invoices", "orders"};
  EXPECT_FALSE(explained().nearest_queue);
  EXPECT_EQ(explained().reason, whereabouts::nobody_receives);
}

TEST_F(Explanation, TheServicesAreGone) {
  seen("invoicer", 300'000);
  seen("", 400'000);
  expect(whereabouts::services_gone, "waits in orders: nobody receives from it now; invoicer was seen last, 5 min ago");
}

TEST_F(Explanation, TheEngineIsAway) {
  seen("invoicer", 10);
  of_.engine_is_needed = true;
  of_.engine_trouble = "nats at nats://mq:4222: Connection refused";
  expect(
      whereabouts::engine_away,
      "waits in orders: the queue engine cannot be reached, and so tells no service of it; it is told once the engine "
      "is back: nats at nats://mq:4222: Connection refused");
  of_.parked = 1;
  EXPECT_EQ(explained().reason, whereabouts::next) << "who is parked needs no engine";
  EXPECT_TRUE(explained().engine_is_away);
}

TEST_F(Explanation, IsScheduled) {
  m_.held = true;
  m_.due = in(3'600'000 * 3);
  seen("invoicer", 10);
  expect(whereabouts::scheduled, "is to be delivered to orders at 2023-11-15 01:14:20 UTC, in 3 h");
}

TEST_F(Explanation, IsScheduledForAQueueOfNobody) {
  m_.held = true;
  m_.due = in(5'000);
  EXPECT_THAT(explained().sentence, testing::StartsWith("is to be delivered to orders at 22:14:25 UTC, in 5 s; nobody "
                                                        "has received from orders"));
}

TEST_F(Explanation, IsHeld) {
  claim("invoicer/w1", 2'000);
  m_.unanswered = 2;
  of_.claimed_for = milliseconds(8'000);
  expect(whereabouts::held,
         "is held in orders by invoicer (attempt 2) for 8 s; its lease ends in 2 s; was left unanswered once before");
  const auto told = explained();
  EXPECT_EQ(told.holder, "invoicer/w1");
  EXPECT_EQ(told.held_for, milliseconds(8'000));
  EXPECT_EQ(told.lease_ends_in, milliseconds(2'000));
}

TEST_F(Explanation, SinceWhenItIsHeldIsNotGuessed) {
  claim("", 2'000);
  expect(whereabouts::held, "is held in orders by a service that told no name, whose lease ends in 2 s");
}

TEST_F(Explanation, IsTriedAgainLater) {
  m_.held = true;
  m_.due = in(5'000);
  m_.failures = 3;
  m_.claim = 4711;
  m_.attempts = {{1, 4711, posted, "connection refused"}};
  expect(whereabouts::back_off, "failed 3 times in orders: connection refused; is tried again at 22:14:25 UTC, in 5 s");
  EXPECT_EQ(explained().failures_max, of_.rules.max_failures);
}

TEST_F(Explanation, AFailureOfAnotherRevisionIsNotThisOnes) {
  m_.held = true;
  m_.revision = 2;
  m_.due = in(5'000);
  m_.failures = 1;
  m_.attempts = {{1, 4711, posted, "connection refused"}};
  expect(whereabouts::back_off, "failed once in orders: no reason was told; is tried again at 22:14:25 UTC, in 5 s");
}

TEST_F(Explanation, WhatHasFailedAndWaitsSaysBoth) {
  seen("invoicer", 10);
  m_.failures = 1;
  m_.attempts = {{1, 4711, posted, "no paper"}};
  expect(whereabouts::next, "waits in orders: it is next; invoicer receives; failed once before: no paper");
}

TEST_F(Explanation, WasLeftUnanswered) {
  seen("invoicer", 10);
  m_.unanswered = 2;
  m_.held = true;
  m_.holder = "invoicer/w1";
  expect(whereabouts::left_unanswered,
         "waits in orders: it was claimed twice and not answered, last by invoicer; it is given only to a service with "
         "nothing else in hand, 3 claims are left");
  of_.services = {{"invoicer", milliseconds(90'000)}};
  EXPECT_THAT(explained().sentence, testing::EndsWith("nobody receives from it now; invoicer was seen last, 90 s ago"));
  m_.unanswered = 5;
  EXPECT_THAT(explained().sentence, testing::HasSubstr("no claim is left (max_claims), and it will be dead at once"));
}

TEST_F(Explanation, IsDone) {
  m_.held = true;
  m_.holder = "invoicer/w1";
  change last;
  last.then = {.text = "paid", .status = status::done, .queue = "", .held = false};
  change_row(last, m_, posted + milliseconds(3'200));
  expect(whereabouts::done, "is done since 22:13:23 UTC: answered by invoicer in orders, 3 s after it was posted");
  const auto told = explained();
  EXPECT_EQ(told.by, "invoicer/w1");
  EXPECT_EQ(told.took, milliseconds(3'200));
  EXPECT_EQ(told.ended_at, posted + milliseconds(3'200));
}

TEST_F(Explanation, IsDead) {
  end(status::dead);
  m_.failures = 4;
  m_.attempts = {{1, 4711, posted, "out of\n" + std::string(300, 'x')}};
  expect(whereabouts::dead, "is dead in orders since 22:13:23 UTC: out of\\n" + std::string(193, 'x') +
                                "…; it failed 4 times; mend the cause, or edit it, and retry it");
  EXPECT_EQ(explained().error, m_.attempts[0].error) << "whole, as data";
}

TEST_F(Explanation, IsDeadSinceNobodyHasAnsweredIt) {
  end(status::dead);
  m_.unanswered = 5;
  m_.holder = "printer/w5";
  m_.attempts = {{1, 4711, posted, "no answer to 5 claims"}};
  expect(
      whereabouts::dead,
      "is dead in orders since 22:13:23 UTC: no answer to 5 claims, the last one by printer; what takes it crashes, or "
      "takes longer than its lease; mend the cause, or edit it, and retry it");
}

TEST_F(Explanation, IsDeadSinceItsAnswersWereRefused) {
  end(status::dead);
  m_.unanswered = 5;
  m_.attempts = {{1, 4711, posted, "no answer to 5 claims"}};
  of_.refused_answer = "No route matches it.";
  expect(
      whereabouts::dead,
      "is dead in orders since 22:13:23 UTC: no answer to 5 claims; its answer was refused: No route matches it.; mend "
      "the cause, or edit it, and retry it");
  EXPECT_EQ(explained().refused_answer, of_.refused_answer);
}

TEST_F(Explanation, NobodyCanClaimItWhileTheStoreTakesNoChanges) {
  seen("invoicer", 10);
  of_.store_trouble = "amc.db: database or disk is full (13); make room on its disk";
  expect(
      whereabouts::store_away,
      "waits in orders: nothing can be changed in the store, and so nobody can claim it: amc.db: database or disk is "
      "full (13); make room on its disk");
  of_.store_trouble = "";
  expect(whereabouts::store_away, "waits in orders: nothing can be changed in the store, and so nobody can claim it");
}

TEST_F(Explanation, NoOtherQueueIsMeantWhereThisOneIsConfigured) {
  m_.queue = "topic-b";
  of_.received_from = {"topic-a"};
  EXPECT_EQ(explained().nearest_queue, "topic-a");
  of_.queue_is_known = true;
  EXPECT_FALSE(explained().nearest_queue);
}

TEST_F(Explanation, IsCancelled) {
  end(status::cancelled);
  expect(whereabouts::cancelled, "was cancelled at 22:13:23 UTC, 3 s after it was posted");
}

TEST_F(Explanation, WhatWasErasedIsToldOfAnyThatHasEnded) {
  m_.erased_at = posted + milliseconds(9'000);
  m_.expires_at = posted + milliseconds(1'000);
  for (const auto how : {status::done, status::dead, status::cancelled, status::expired}) {
    end(how);
    EXPECT_THAT(explained().sentence, testing::EndsWith("; what it said was erased at 22:13:29 UTC")) << to_string(how);
  }
}

TEST_F(Explanation, HasExpired) {
  m_.expires_at = posted + milliseconds(1'000);
  const auto* sentence = "expired at 22:13:21 UTC in orders: nobody had answered it by then";
  expect(whereabouts::expired, sentence);
  EXPECT_FALSE(explained().ended_at) << "nobody has noticed yet";
  end(status::expired);
  expect(whereabouts::expired, sentence);
}

TEST_F(Explanation, ALeaseThatIsOverHoldsNothing) {
  claim("invoicer/w1", 0);
  EXPECT_EQ(explained().reason, whereabouts::left_unanswered);
}

TEST_F(Explanation, EachReasonHasAName) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < whereabouts_count; ++i) names.insert(to_string(static_cast<whereabouts>(i)));
  EXPECT_EQ(names.size(), whereabouts_count);
}

}  // namespace
}  // namespace amc::broker
