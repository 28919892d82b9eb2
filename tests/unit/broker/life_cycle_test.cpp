#include "broker/life_cycle.hpp"

#include <gmock/gmock.h>

#include "tests/support/configured.hpp"

namespace amc::broker {
namespace {

using life_cycle::to_done;
using life_cycle::to_queue;

const uuid id = *parse_uuid("01890a5d-ac96-774b-bcce-b302099a8057");
const life_cycle::policy times = [] {
  auto rules = tests::default_rules();
  rules.lease = milliseconds(100);
  rules.ring_again = milliseconds(1'000);
  return rules;
}();

/// One row and its clock: makes changes the way a store does.
class LifeCycle : public testing::Test {
 protected:
  /// Empty when the change was applied, else the code and detail that refused it.
  std::string attempt(const change& what) {
    const bool admitted = what.insert ? !row_ : row_ && admits(what.when, *row_, now_);
    if (admitted) {
      row_ = std::make_shared<const message>(changed(what, row_.get(), now_));
      return "";
    }
    const auto refused = life_cycle::refusal(what, {false, row_, now_});
    return refused ? to_string(refused->code) : "nothing to do";
  }

  void accept(bool rings_now = true) {
    ASSERT_EQ(attempt(life_cycle::accept(id, "Hi, ", to_queue{"q"}, rings_now, times)), "");
  }
  std::string claim(int revision, bool alone = false) {
    return attempt(life_cycle::claim({id, revision}, next_claim_++, alone));
  }
  std::string answer(std::optional<int> revision, const std::string& text,
                     const life_cycle::destination& to = to_queue{"r"}) {
    return attempt(life_cycle::answer(id, revision, text, to, true, times));
  }
  due_row read() const { return {id, row_->revision, row_->queue, row_->due, row_->held, row_->unanswered}; }
  void pass(int milliseconds_passed) { now_ += milliseconds(milliseconds_passed); }

  timestamp now_{milliseconds(1'000'000)};
  row row_;
  std::int64_t next_claim_ = 1;
};

TEST_F(LifeCycle, AcceptStoresTheFirstRevisionPending) {
  accept();
  EXPECT_EQ(row_->text, "Hi, ");
  EXPECT_EQ(row_->revision, 1);
  EXPECT_EQ(row_->status, status::pending);
  EXPECT_EQ(row_->queue, "q");
  EXPECT_EQ(row_->due, now_ + times.ring_again);
  EXPECT_FALSE(row_->held);
}

TEST_F(LifeCycle, AcceptWithoutRoomIsDueAtOnce) {
  accept(false);
  EXPECT_EQ(row_->due, now_);
}

TEST_F(LifeCycle, AcceptOfAFinishedTextIsDone) {
  EXPECT_EQ(attempt(life_cycle::accept(id, "Hi, X. Bye!", to_done{}, false, times)), "");
  EXPECT_EQ(row_->status, status::done);
  EXPECT_EQ(row_->queue, "");
}

TEST_F(LifeCycle, AcceptOfAnIdThatExistsIsRefused) {
  accept();
  EXPECT_EQ(attempt(life_cycle::accept(id, "other", to_queue{"q"}, true, times)), "stale");
  EXPECT_EQ(row_->text, "Hi, ");
}

TEST_F(LifeCycle, ClaimHoldsTheRowForOneLease) {
  accept();
  EXPECT_EQ(claim(1), "");
  EXPECT_TRUE(row_->held);
  EXPECT_EQ(row_->due, now_ + times.lease);
  EXPECT_EQ(row_->claim, 1);
  EXPECT_EQ(row_->unanswered, 1);
}

TEST_F(LifeCycle, ClaimOfAClaimedRevisionIsRefused) {
  accept();
  claim(1);
  EXPECT_EQ(claim(1), "held");
  EXPECT_EQ(row_->claim, 1) << "the number of a claim that was not granted is nobody's";
}

TEST_F(LifeCycle, ClaimIsOpenAgainWhenTheLeaseHasRunOut) {
  accept();
  claim(1);
  pass(99);
  EXPECT_EQ(claim(1), "held");
  pass(1);
  EXPECT_EQ(claim(1), "");
  EXPECT_EQ(row_->claim, 3);
}

TEST_F(LifeCycle, ClaimOfAnotherRevisionIsRefused) {
  accept();
  EXPECT_EQ(claim(2), "stale");
  answer(1, "Hi, X.");
  EXPECT_EQ(claim(1), "stale");
}

TEST_F(LifeCycle, ClaimOfAnUnknownMessageIsRefused) {
  EXPECT_EQ(claim(1), "not_found");
}

TEST_F(LifeCycle, ClaimOfAFinishedMessageIsRefused) {
  accept();
  answer(1, "Hi, X. Bye!", to_done{});
  EXPECT_EQ(claim(2), "terminal");
}

TEST_F(LifeCycle, AMessageLeftUnansweredTwiceIsOnlyClaimedAlone) {
  accept();
  claim(1);
  pass(100);
  claim(1);
  pass(100);
  EXPECT_EQ(claim(1), "needs_alone");
  EXPECT_EQ(claim(1, true), "");
  EXPECT_EQ(row_->unanswered, 3);
}

TEST_F(LifeCycle, OneCrashCostsNobodyALonelyRun) {
  accept();
  claim(1);
  pass(100);
  EXPECT_EQ(claim(1), "");
}

TEST_F(LifeCycle, ExtendGivesOneMoreLease) {
  accept();
  claim(1);
  pass(60);
  EXPECT_EQ(attempt(life_cycle::extend({id, 1}, 1)), "");
  EXPECT_EQ(row_->due, now_ + times.lease);
  EXPECT_EQ(row_->unanswered, 1);
}

TEST_F(LifeCycle, ExtendOfAnOlderClaimIsRefused) {
  accept();
  claim(1);
  pass(100);
  claim(1);
  EXPECT_EQ(attempt(life_cycle::extend({id, 1}, 1)), "stale");
}

TEST_F(LifeCycle, ExtendAfterTheAnswerIsRefused) {
  accept();
  claim(1);
  answer(1, "Hi, X.");
  EXPECT_EQ(attempt(life_cycle::extend({id, 1}, 1)), "stale");
  EXPECT_FALSE(row_->held);
}

TEST_F(LifeCycle, ExtendOfAFinishedMessageIsRefused) {
  accept();
  claim(1);
  answer(1, "Hi, X. Bye!", to_done{});
  EXPECT_EQ(attempt(life_cycle::extend({id, 1}, 1)), "terminal");
}

TEST_F(LifeCycle, AnswerIsTheNextRevisionInTheNextQueue) {
  accept();
  claim(1);
  EXPECT_EQ(answer(1, "Hi, X."), "");
  EXPECT_EQ(row_->revision, 2);
  EXPECT_EQ(row_->queue, "r");
  EXPECT_EQ(row_->unanswered, 0);
  EXPECT_FALSE(row_->held);
  EXPECT_EQ(row_->due, now_ + times.ring_again);
  EXPECT_EQ(row_->claim, 1) << "claim numbers are never reset";
}

TEST_F(LifeCycle, AnswerThatNamesAClaimIsRefusedWhereNoneWasGranted) {
  accept();
  const auto named = [&](int revision) {
    return attempt(life_cycle::answer(id, revision, "Hi, X.", to_queue{"r"}, true, times, true));
  };
  EXPECT_EQ(named(1), "stale");
  claim(1);
  EXPECT_EQ(named(1), "");
  EXPECT_EQ(named(2), "") << "some claim was granted";
}

TEST_F(LifeCycle, AnswerThatFinishesIsDone) {
  accept();
  EXPECT_EQ(answer(1, "Hi, X. Bye!", to_done{}), "");
  EXPECT_EQ(row_->status, status::done);
}

TEST_F(LifeCycle, AnswerTwiceIsAppliedOnce) {
  accept();
  answer(1, "Hi, X.");
  EXPECT_EQ(answer(1, "Hi, Y."), "stale");
  EXPECT_EQ(row_->text, "Hi, X.");
}

TEST_F(LifeCycle, AnswerToAFinishedMessageIsRefused) {
  accept();
  answer(1, "Hi, X. Bye!", to_done{});
  EXPECT_EQ(answer(2, "more"), "terminal");
  EXPECT_EQ(answer({}, "more"), "terminal");
}

TEST_F(LifeCycle, AnswerToAnUnknownMessageIsRefused) {
  EXPECT_EQ(answer(1, "x"), "not_found");
}

TEST_F(LifeCycle, AnswerAfterTheLeaseRanOutCountsWhenNobodyElseHasAnswered) {
  accept();
  claim(1);
  pass(500);
  EXPECT_EQ(answer(1, "Hi, X."), "");
}

TEST_F(LifeCycle, WithoutARevisionTheLastWriterWins) {
  accept();
  answer(1, "Hi, X.");
  EXPECT_EQ(answer({}, "Hi, Y."), "");
  EXPECT_EQ(row_->text, "Hi, Y.");
  EXPECT_EQ(row_->revision, 3);
}

TEST_F(LifeCycle, WithoutARevisionTheSameTextAgainChangesNothing) {
  accept();
  answer({}, "Hi, X. Bye!", to_done{});
  const auto before = row_;
  EXPECT_EQ(answer({}, "Hi, X. Bye!", to_done{}), "nothing to do");
  EXPECT_EQ(row_, before);
}

TEST_F(LifeCycle, ReleaseOpensTheRevisionAtOnceAndUncountsTheClaim) {
  accept();
  claim(1);
  EXPECT_EQ(attempt(life_cycle::release({id, 1}, 1)), "");
  EXPECT_FALSE(row_->held);
  EXPECT_EQ(row_->due, now_);
  EXPECT_EQ(row_->unanswered, 0);
  EXPECT_EQ(claim(1), "");
}

TEST_F(LifeCycle, ReleaseTwiceCountsOnce) {
  accept();
  claim(1);
  pass(100);
  claim(1);
  attempt(life_cycle::release({id, 1}, 2));
  EXPECT_EQ(attempt(life_cycle::release({id, 1}, 2)), "held");
  EXPECT_EQ(row_->unanswered, 1);
}

TEST_F(LifeCycle, ReleaseOfAnOlderClaimIsRefused) {
  accept();
  claim(1);
  pass(100);
  claim(1);
  EXPECT_EQ(attempt(life_cycle::release({id, 1}, 1)), "stale");
  EXPECT_TRUE(row_->held);
}

TEST_F(LifeCycle, ReleaseAfterTheFailureLeavesTheBackOffAlone) {
  accept();
  claim(1);
  attempt(life_cycle::fail(*row_, 1, "it broke", false, times));
  const auto due = row_->due;
  EXPECT_EQ(attempt(life_cycle::release({id, 1}, 1)), "stale");
  EXPECT_TRUE(row_->held);
  EXPECT_EQ(row_->due, due);
}

TEST_F(LifeCycle, RingingPutsTheNextRingingOff) {
  accept(false);
  const auto seen = read();
  EXPECT_EQ(attempt(life_cycle::ring(seen, times)), "");
  EXPECT_EQ(row_->due, now_ + times.ring_again);
  EXPECT_NE(attempt(life_cycle::ring(seen, times)), "") << "a second sweeper that read the same row rings nothing";
}

TEST_F(LifeCycle, RingingOpensARowWhoseLeaseHasRunOut) {
  accept();
  claim(1);
  pass(100);
  EXPECT_EQ(attempt(life_cycle::ring(read(), times)), "");
  EXPECT_FALSE(row_->held);
}

TEST_F(LifeCycle, RingingARowThatWasClaimedMeanwhileIsRefused) {
  accept(false);
  const auto seen = read();
  claim(1);
  EXPECT_NE(attempt(life_cycle::ring(seen, times)), "");
  EXPECT_TRUE(row_->held);
}

TEST_F(LifeCycle, RingingARowThatWasExtendedMeanwhileIsRefused) {
  accept();
  claim(1);
  pass(100);
  const auto seen = read();
  attempt(life_cycle::extend({id, 1}, 1));
  EXPECT_NE(attempt(life_cycle::ring(seen, times)), "");
  EXPECT_TRUE(row_->held);
}

TEST_F(LifeCycle, RingingARowThatWasAnsweredMeanwhileIsRefused) {
  accept(false);
  const auto seen = read();
  answer(1, "Hi, X. Bye!", to_done{});
  EXPECT_NE(attempt(life_cycle::ring(seen, times)), "");
}

TEST_F(LifeCycle, OnlyWhatNeedNotSurviveACrashIsNotDurable) {
  EXPECT_TRUE(life_cycle::accept(id, "x", to_done{}, false, times).durable);
  EXPECT_TRUE(life_cycle::answer(id, 1, "x", to_done{}, false, times).durable);
  EXPECT_FALSE(life_cycle::claim({id, 1}, 1, false).durable);
  EXPECT_FALSE(life_cycle::extend({id, 1}, 1).durable);
  EXPECT_FALSE(life_cycle::release({id, 1}, 1).durable);
}

// ---- failures ----

std::string fails(const message& row, std::int64_t claim, const life_cycle::policy& rules,
                  milliseconds* pause = nullptr) {
  const auto what = life_cycle::fail(row, claim, "it broke", false, rules);
  if (pause) *pause = *what.then.due_in;
  return what.then.status ? to_string(*what.then.status) : "again";
}

TEST_F(LifeCycle, AFinalFailureIsDeadAtOnceWithItsReason) {
  accept();
  claim(1);
  ASSERT_EQ(attempt(life_cycle::fail(*row_, 1, "no such product", true, times)), "");
  EXPECT_EQ(row_->status, status::dead);
  EXPECT_EQ(row_->attempts.at(0).error, "no such product");
  EXPECT_EQ(row_->failures, 1);
}

TEST_F(LifeCycle, AFailureIsDueAgainAfterAPauseAndNotBefore) {
  accept();
  claim(1);
  ASSERT_EQ(attempt(life_cycle::fail(*row_, 1, "it broke", false, times)), "");
  EXPECT_EQ(row_->status, status::pending);
  EXPECT_EQ(row_->failures, 1);
  EXPECT_EQ(row_->unanswered, 0);
  EXPECT_TRUE(row_->held);
  EXPECT_EQ(row_->attempts.at(0).error, "it broke");
  EXPECT_EQ(claim(1), "held");
  pass(1'000);
  EXPECT_EQ(claim(1), "");
}

TEST_F(LifeCycle, AFailureThatIsToldTwiceCountsOnce) {
  accept();
  claim(1);
  const auto told = life_cycle::fail(*row_, 1, "it broke", false, times);
  EXPECT_EQ(attempt(told), "");
  EXPECT_EQ(attempt(told), "stale");
  EXPECT_EQ(row_->failures, 1);
}

TEST_F(LifeCycle, AFailureOfAnOlderClaimIsRefused) {
  accept();
  claim(1);
  pass(100);
  claim(1);
  EXPECT_EQ(attempt(life_cycle::fail(*row_, 1, "it broke", false, times)), "stale");
}

TEST_F(LifeCycle, PausesGrowUpToAMaximumAndVaryByLessThanTheJitter) {
  accept();
  claim(1);
  message m = *row_;
  const life_cycle::policy rules{.max_failures = 100,
                                 .back_off_initial = milliseconds(1'000),
                                 .back_off_factor = 3,
                                 .back_off_max = milliseconds(20'000),
                                 .back_off_jitter_percent = 50};
  for (const auto& [failures, longest] :
       std::map<int, int>{{0, 1'000}, {1, 3'000}, {2, 9'000}, {3, 20'000}, {90, 20'000}}) {
    m.failures = failures;
    milliseconds pause{};
    EXPECT_EQ(fails(m, 1, rules, &pause), "again");
    EXPECT_LE(pause, milliseconds(longest));
    EXPECT_GE(pause, milliseconds(longest / 2));
  }
}

TEST_F(LifeCycle, OverMaxFailuresItIsDead) {
  accept();
  claim(1);
  message m = *row_;
  auto rules = times;
  rules.max_failures = 2;
  m.failures = 1;
  EXPECT_EQ(fails(m, 1, rules), "again");
  m.failures = 2;
  EXPECT_EQ(fails(m, 1, rules), "dead");
}

TEST_F(LifeCycle, AnAnswerForgetsTheFailuresOfTheRevisionBefore) {
  accept();
  claim(1);
  attempt(life_cycle::fail(*row_, 1, "it broke", false, times));
  answer(1, "Hi, X.");
  EXPECT_EQ(row_->failures, 0);
  EXPECT_FALSE(row_->held);
}

TEST_F(LifeCycle, OverMaxRevisionsItIsDead) {
  accept();
  auto rules = times;
  rules.max_revisions = 1;
  EXPECT_EQ(attempt(life_cycle::answer(id, 1, "x", to_queue{"r"}, true, rules)), "");
  EXPECT_EQ(row_->status, status::dead);
  EXPECT_EQ(row_->attempts.at(0).error, "more than 1 revisions");
}

TEST_F(LifeCycle, OverMaxRevisionsItMayStillBeDone) {
  accept();
  auto rules = times;
  rules.max_revisions = 1;
  EXPECT_EQ(attempt(life_cycle::answer(id, 1, "x", to_done{}, false, rules)), "");
  EXPECT_EQ(row_->status, status::done);
}

TEST_F(LifeCycle, WhatHasChangedSinceTheSweeperReadItIsNeitherRungNorBuried) {
  accept();
  claim(1);
  const auto seen = read();
  pass(1);
  attempt(life_cycle::extend({id, 1}, 1));
  EXPECT_NE(attempt(life_cycle::ring(seen, times)), "");
  EXPECT_NE(attempt(life_cycle::bury(seen)), "");
  EXPECT_EQ(attempt(life_cycle::bury(read())), "");
}

TEST_F(LifeCycle, WhatIsMovedInTheMomentThatItIsDueIsNotBuriedByWhoReadItBefore) {
  accept();
  claim(1);
  pass(100);
  attempt(life_cycle::ring(read(), times));
  pass(times.ring_again.count());
  const auto seen = read();
  ASSERT_EQ(attempt(life_cycle::move(*row_, {"r", times})), "");
  ASSERT_EQ(row_->due, seen.due) << "nothing else tells them apart";
  EXPECT_NE(attempt(life_cycle::bury(seen)), "");
}

TEST_F(LifeCycle, NoRevisionIsAboveTheGreatestNumber) {
  accept();
  auto last = *row_;
  last.revision = INT32_MAX;
  row_ = std::make_shared<const message>(last);
  EXPECT_EQ(answer(std::nullopt, "other"), "stale");
  EXPECT_EQ(answer(std::nullopt, "other", to_done{}), "stale");
  EXPECT_EQ(answer(INT32_MAX, "other"), "stale");
  EXPECT_EQ(row_->revision, INT32_MAX);
}

// ---- cancel, retry, expiry, keys ----

TEST_F(LifeCycle, RetryOfWhatWasCancelledBeforeItsDateKeepsTheDate) {
  const auto date = now_ + milliseconds(5'000);
  ASSERT_EQ(attempt(life_cycle::accept(id, "Hi, ", to_queue{"q"}, false, times, {.deliver_at = date})), "");
  ASSERT_EQ(attempt(life_cycle::cancel(id)), "");
  EXPECT_EQ(attempt(life_cycle::retry(*row_)), "");
  EXPECT_EQ(row_->due, date);
  EXPECT_EQ(claim(1), "held");
  pass(5'000);
  EXPECT_EQ(claim(1), "");
}

TEST_F(LifeCycle, RetryOfWhatWasCancelledUnderAClaimIsDueNow) {
  accept();
  ASSERT_EQ(claim(1), "");
  ASSERT_EQ(attempt(life_cycle::cancel(id)), "");
  EXPECT_EQ(attempt(life_cycle::retry(*row_)), "");
  EXPECT_EQ(row_->due, now_);
  EXPECT_EQ(claim(1), "");
}

TEST_F(LifeCycle, CancelEndsAndCanBeTakenBack) {
  accept();
  EXPECT_EQ(attempt(life_cycle::cancel(id)), "");
  EXPECT_EQ(row_->status, status::cancelled);
  EXPECT_EQ(attempt(life_cycle::cancel(id)), "nothing to do");
  EXPECT_EQ(claim(1), "terminal");
  EXPECT_EQ(attempt(life_cycle::retry(*row_)), "");
  EXPECT_EQ(row_->status, status::pending);
  EXPECT_EQ(row_->queue, "q");
  EXPECT_EQ(row_->due, now_);
}

TEST_F(LifeCycle, WhatIsDoneIsNotCancelled) {
  accept();
  answer(1, "Hi, X. Bye!", to_done{});
  EXPECT_EQ(attempt(life_cycle::cancel(id)), "terminal");
}

TEST_F(LifeCycle, RetryStartsAfresh) {
  accept();
  claim(1);
  attempt(life_cycle::fail(*row_, 1, "it broke", false, {.max_failures = 0}));
  ASSERT_EQ(row_->status, status::dead);
  const auto seen = *row_;
  EXPECT_EQ(attempt(life_cycle::retry(seen)), "");
  EXPECT_EQ(row_->failures, 0);
  EXPECT_FALSE(row_->held);
  EXPECT_EQ(row_->attempts.size(), 1U) << "its history stays";
  EXPECT_EQ(attempt(life_cycle::retry(seen)), "nothing to do");
}

TEST_F(LifeCycle, WhatHasExpiredIsNeitherClaimedNorRetried) {
  attempt(life_cycle::accept(id, "x", to_queue{"q"}, true, times, {.expires_at = now_ + milliseconds(10)}));
  pass(10);
  EXPECT_EQ(claim(1), "terminal");
  attempt(life_cycle::cancel(id));
  EXPECT_EQ(attempt(life_cycle::retry(*row_)), "terminal");
}

TEST_F(LifeCycle, AnAnswerInTimeKeepsTheExpiry) {
  attempt(life_cycle::accept(id, "x", to_queue{"q"}, true, times, {.expires_at = now_ + milliseconds(10)}));
  answer(1, "y");
  EXPECT_EQ(row_->expires_at, now_ + milliseconds(10));
}

TEST_F(LifeCycle, ADoneTextIsNotHeldForLater) {
  attempt(life_cycle::accept(id, "x", to_done{}, true, times, {.deliver_at = now_ + milliseconds(10)}));
  EXPECT_EQ(row_->status, status::done);
  EXPECT_FALSE(row_->held);
}

TEST_F(LifeCycle, AKeyThatWasUsedForTheSameIsNoErrorAndForAnotherIsOne) {
  const auto once = [](const char* print) { return life_cycle::accept_options{.once = idempotency{"k", print, {}}}; };
  attempt(life_cycle::accept(id, "x", to_queue{"q"}, true, times, once("a")));
  const auto again = [&](const char* print) {
    const auto what = life_cycle::accept(uuid{}, "x", to_queue{"q"}, true, times, once(print));
    const auto refused = life_cycle::refusal(what, {false, row_, now_});
    return refused ? to_string(refused->code) : "nothing to do";
  };
  EXPECT_STREQ(again("a"), "nothing to do");
  EXPECT_STREQ(again("b"), "key_reused");
}

TEST_F(LifeCycle, WhatWasLeftUnansweredTooOftenIsClaimedNoMore) {
  accept();
  for (int i = 0; i < row_->max_claims; ++i) {
    EXPECT_EQ(claim(1, true), "");
    pass(100);
  }
  EXPECT_EQ(claim(1, true), "held");
  const auto refused = life_cycle::refusal(life_cycle::claim({id, 1}, 1, true), {false, row_, now_});
  EXPECT_EQ(refused.value().detail, "No answer to 5 claims (max_claims): the message is given up.");
}

TEST_F(LifeCycle, WhatEndsAMessageIsDurable) {
  EXPECT_TRUE(life_cycle::cancel(id).durable);
  EXPECT_TRUE(life_cycle::fail({}, 1, "x", false, times).durable);
  EXPECT_TRUE(life_cycle::retry({}).durable);
  EXPECT_TRUE(life_cycle::expire({}).durable);
  EXPECT_TRUE(life_cycle::bury({}).durable);
}

TEST_F(LifeCycle, RunNowLeavesAloneWhatSomebodyWorksOn) {
  accept();
  ASSERT_EQ(claim(1), "");
  EXPECT_EQ(attempt(life_cycle::run_now(id)), "held");
  EXPECT_EQ(attempt(life_cycle::move(*row_, {"r", times})), "held");
  EXPECT_EQ(attempt(life_cycle::cancel_unclaimed(id, "q")), "held");
  pass(100);
  EXPECT_EQ(attempt(life_cycle::run_now(id)), "");
  EXPECT_EQ(row_->unanswered, 1) << "the claim stays counted";
}

TEST_F(LifeCycle, RunNowEndsABackOffAndKeepsTheFailure) {
  accept();
  ASSERT_EQ(claim(1), "");
  ASSERT_EQ(attempt(life_cycle::fail(*row_, row_->claim, "no", false, times)), "");
  ASSERT_TRUE(row_->held);
  EXPECT_EQ(attempt(life_cycle::run_now(id)), "");
  EXPECT_FALSE(row_->held);
  EXPECT_EQ(row_->due, now_);
  EXPECT_EQ(row_->failures, 1);
}

TEST_F(LifeCycle, AMoveIsOfTheRowAsItWasRead) {
  accept();
  const auto read = *row_;
  ASSERT_EQ(answer(1, "next"), "");
  EXPECT_EQ(attempt(life_cycle::move(read, {"s", times})), "stale");
  EXPECT_EQ(attempt(life_cycle::move(*row_, {"s", times})), "");
  EXPECT_EQ(row_->queue, "s");
  EXPECT_EQ(row_->due, now_);
}

TEST_F(LifeCycle, AMoveIsOfTheQueueAsItWasRead) {
  accept();
  const auto read = *row_;
  ASSERT_EQ(attempt(life_cycle::move(read, {"s", times})), "");
  EXPECT_EQ(attempt(life_cycle::move(read, {"t", times})), "stale");
  EXPECT_EQ(attempt(life_cycle::move(read, {"s", times})), "nothing to do");
  EXPECT_EQ(history_of(*row_).size(), 1U) << "it is moved once";
}

TEST_F(LifeCycle, AnEditIsOfWhatHasEndedAndOfThatRevision) {
  accept();
  ASSERT_EQ(attempt(life_cycle::cancel(id)), "");
  const auto cancelled = *row_;
  EXPECT_EQ(attempt(life_cycle::edit(cancelled, "other", {"r", times})), "");
  EXPECT_EQ(row_->revision, 2);
  EXPECT_EQ(row_->status, status::pending);
  EXPECT_EQ(attempt(life_cycle::edit(cancelled, "once more", {"r", times})), "terminal") << "it is pending";
}

TEST_F(LifeCycle, AClaimInAPausedQueueIsRefusedWithSinceWhen) {
  accept();
  const auto queues = std::make_shared<const paused_queues>(paused_queues{{"q", {now_, "ops"}}});
  const auto what = life_cycle::unless_paused(queues, life_cycle::claim({id, 1}, 1, false));
  EXPECT_EQ(attempt(what), "held");
  EXPECT_EQ(life_cycle::refusal(what, {false, row_, now_})->detail, "The queue q is paused since 00:16:40 UTC by ops.");
}

}  // namespace
}  // namespace amc::broker
