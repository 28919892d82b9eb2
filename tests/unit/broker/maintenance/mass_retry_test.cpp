#include "broker/maintenance/mass_retry.hpp"

#include <gmock/gmock.h>

#include "tests/support/broker_world.hpp"

namespace amc::broker {
namespace {

using testing::HasSubstr;

class MassRetry : public testing::Test {
 protected:
  MassRetry() : w_({"broker.max_failures=0", "broker.back_off_initial_ms=1"}) { w_.parts->run(false); }

  /// A message that has failed once, and is dead of it.
  uuid dead(const std::string& error) {
    const auto id = w_.accept("Hi, ");
    fail(id, error);
    return id;
  }
  void fail(const uuid& id, const std::string& error) {
    const auto claimed_row = w_.world.run(w_.messages->claim({claim_request{event{id, 1, {}}, false}}));
    w_.world.run(w_.messages->fail({failed_claim{{{id, 1, {}}, claimed_row.at(0)->claim}, error}}));
  }
  status status_of(const uuid& id) { return w_.find(id)->status; }

  tests::broker_world w_;
};

TEST_F(MassRetry, EndsWhereTheStoreCannotTakeTheFilter) {
  w_.disk->unfit_filter = "no such character";
  ASSERT_TRUE(w_.retries->start({.queue = "odd"}));
  w_.world.advance(milliseconds(1'000));
  EXPECT_FALSE(w_.retries->now().running);
  EXPECT_THAT(w_.retries->now().stopped_because, HasSubstr("no such character"));
}

TEST_F(MassRetry, RetriesAllThatMatch) {
  const auto one = dead("no route to host"), two = dead("no route to host"), other = dead("division by zero");
  ASSERT_TRUE(w_.retries->start({.error_part = "no route"}));
  w_.world.advance(milliseconds(1'000));
  EXPECT_EQ(status_of(one), status::pending);
  EXPECT_EQ(status_of(two), status::pending);
  EXPECT_EQ(status_of(other), status::dead);
  EXPECT_FALSE(w_.retries->now().running);
  EXPECT_EQ(w_.retries->now().retried, 2U);
}

TEST_F(MassRetry, KeepsItsRate) {
  for (int i = 0; i < 200; ++i) dead("x");
  w_.retries->start({});
  w_.world.advance(milliseconds(900));
  EXPECT_LE(w_.retries->now().retried, 120U);
  EXPECT_TRUE(w_.retries->now().running);
  w_.world.advance(milliseconds(2'000));
  EXPECT_EQ(w_.retries->now().retried, 200U);
}

TEST_F(MassRetry, StopsWhenTheSameFailureComesBack) {
  const auto first = dead("no route to host");
  for (int i = 0; i < 100; ++i) dead("no route to host");
  w_.retries->start({});
  w_.world.advance(milliseconds(50));
  ASSERT_EQ(status_of(first), status::pending);
  fail(first, "no route to host");
  w_.world.advance(milliseconds(5'000));
  EXPECT_FALSE(w_.retries->now().running);
  EXPECT_LT(w_.retries->now().retried, 101U);
  EXPECT_THAT(w_.retries->now().stopped_because, HasSubstr("no route to host"));
}

TEST_F(MassRetry, GoesOnWhenAnotherFailureComes) {
  const auto first = dead("no route to host");
  for (int i = 0; i < 100; ++i) dead("no route to host");
  w_.retries->start({});
  w_.world.advance(milliseconds(50));
  fail(first, "division by zero");
  w_.world.advance(milliseconds(5'000));
  EXPECT_EQ(w_.retries->now().retried, 101U);
}

TEST_F(MassRetry, RunsOneAtATime) {
  for (int i = 0; i < 100; ++i) dead("x");
  w_.retries->start({});
  EXPECT_EQ(w_.retries->start({}).error().code, errc::held);
}

TEST_F(MassRetry, OutlivesAStoreThatIsAway) {
  const auto id = dead("x");
  w_.disk->failing = unavailable(unavailable::reason::away, "away");
  w_.retries->start({});
  w_.world.advance(milliseconds(1'000));
  w_.disk->failing.reset();
  w_.world.advance(milliseconds(1'000));
  EXPECT_EQ(status_of(id), status::pending);
}

}  // namespace
}  // namespace amc::broker
