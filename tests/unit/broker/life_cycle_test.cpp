#include "broker/life_cycle.hpp"

#include <gmock/gmock.h>

namespace amc::broker {
namespace {

using life_cycle::to_done;
using life_cycle::to_queue;

const uuid id = *parse_uuid("01890a5d-ac96-774b-bcce-b302099a8057");
const life_cycle::policy times{.lease = milliseconds(100), .ring_again = milliseconds(1'000)};

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
  std::string claim(int revision, bool alone = false) { return attempt(life_cycle::claim({id, revision}, alone)); }
  std::string answer(std::optional<int> revision, const std::string& text,
                     const life_cycle::destination& to = to_queue{"r"}) {
    return attempt(life_cycle::answer(id, revision, text, to, true, times));
  }
  due_row read() const { return {id, row_->revision, row_->queue, row_->due, row_->held}; }
  void pass(int milliseconds_passed) { now_ += milliseconds(milliseconds_passed); }

  timestamp now_{milliseconds(1'000'000)};
  row row_;
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
  EXPECT_EQ(row_->claim, 1);
}

TEST_F(LifeCycle, ClaimIsOpenAgainWhenTheLeaseHasRunOut) {
  accept();
  claim(1);
  pass(99);
  EXPECT_EQ(claim(1), "held");
  pass(1);
  EXPECT_EQ(claim(1), "");
  EXPECT_EQ(row_->claim, 2);
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
  EXPECT_FALSE(life_cycle::claim({id, 1}, false).durable);
  EXPECT_FALSE(life_cycle::extend({id, 1}, 1).durable);
  EXPECT_FALSE(life_cycle::release({id, 1}, 1).durable);
}

}  // namespace
}  // namespace amc::broker
