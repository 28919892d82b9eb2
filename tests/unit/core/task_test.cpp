#include "core/task.hpp"

#include <gtest/gtest.h>

#include "tests/support/manual_environment.hpp"

namespace amc {
namespace {

class Task : public testing::Test {
 protected:
  tests::manual_environment world_;
};

TEST_F(Task, TheFirstToSetAOneShotWins) {
  one_shot<int> shot(world_.env().executor);
  EXPECT_TRUE(shot.set(1));
  EXPECT_FALSE(shot.set(2));
  EXPECT_EQ(world_.run(shot.wait()), 1);
}

TEST_F(Task, AOneShotThatIsSetLaterResumesItsWaiter) {
  one_shot<int> shot(world_.env().executor);
  const auto done = world_.start(shot.wait());
  EXPECT_FALSE(*done);
  shot.set(3);
  world_.settle();
  EXPECT_EQ(**done, 3);
}

task<bool> sleep_then_true(alarm_clock& clock, milliseconds longest) {
  co_await clock.sleep(longest);
  co_return true;
}

TEST_F(Task, ASleepEndsWithItsTime) {
  alarm_clock clock(world_.env());
  const auto done = world_.start(sleep_then_true(clock, milliseconds(100)));
  world_.advance(milliseconds(99));
  EXPECT_FALSE(*done);
  world_.advance(milliseconds(1));
  EXPECT_TRUE(*done);
}

task<bool> sleep_for_then_true(const environment& env, milliseconds time) {
  co_await sleep_for(env, time);
  co_return true;
}

TEST_F(Task, SleepForTakesItsTime) {
  const auto env = world_.env();
  const auto done = world_.start(sleep_for_then_true(env, milliseconds(100)));
  world_.advance(milliseconds(99));
  EXPECT_FALSE(*done);
  world_.advance(milliseconds(1));
  EXPECT_TRUE(*done);
  EXPECT_TRUE(*world_.start(sleep_for_then_true(env, milliseconds(0)))) << "nothing to wait for";
}

TEST_F(Task, APokeEndsASleep) {
  alarm_clock clock(world_.env());
  const auto done = world_.start(sleep_then_true(clock, milliseconds(100)));
  clock.poke();
  world_.settle();
  EXPECT_TRUE(*done);
}

TEST_F(Task, APokeBeforeASleepIsNotLost) {
  alarm_clock clock(world_.env());
  clock.poke();
  EXPECT_TRUE(*world_.start(sleep_then_true(clock, milliseconds(100))));
  EXPECT_FALSE(*world_.start(sleep_then_true(clock, milliseconds(100)))) << "a poke counts once";
  world_.advance(milliseconds(100));
}

task<bool> drained(task_group& group) {
  co_await group.drain();
  co_return true;
}

TEST_F(Task, AGroupIsDrainedWhenItsLastCoroutineEnds) {
  alarm_clock clock(world_.env());
  task_group group(world_.env().executor);
  group.spawn(clock.sleep(milliseconds(10)));
  const auto done = world_.start(drained(group));
  EXPECT_FALSE(*done);
  world_.advance(milliseconds(10));
  EXPECT_TRUE(*done);
}

}  // namespace
}  // namespace amc
