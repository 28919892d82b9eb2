#include "broker/waiters.hpp"

#include <gmock/gmock.h>

#include "tests/support/broker_world.hpp"
#include "tests/support/configured.hpp"

namespace amc::broker {
namespace {

bool is_done(const message& m) {
  return m.status == status::done;
}

TEST(Waiters, AreWokenByTheChangeTheyWaitFor) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  const auto watch = w.waiters->watch_for(id);
  const auto waited = w.world.start(watch->until(is_done, milliseconds(1'000)));
  w.world.run(w.messages->answer(id, 1, "Hi, X."));
  EXPECT_FALSE(*waited) << "it waits on, revision 2 is not done";
  w.world.run(w.messages->answer(id, 2, "Hi, X. Bye!"));
  w.world.settle();
  ASSERT_TRUE(*waited);
  EXPECT_EQ((**waited)->text, "Hi, X. Bye!");
}

TEST(Waiters, SeeAChangeThatHappensBeforeTheyWait) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  const auto watch = w.waiters->watch_for(id);
  w.world.run(w.messages->answer(id, 1, "Hi, X. Bye!"));
  EXPECT_TRUE(*w.world.start(watch->until(is_done, milliseconds(1'000))));
}

TEST(Waiters, KnowTheLatestRowWhenTheTimeIsOver) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  const auto watch = w.waiters->watch_for(id);
  w.world.run(w.messages->answer(id, 1, "Hi, X."));
  const auto last = w.world.run(watch->until(is_done, milliseconds(1'000)));
  EXPECT_EQ(last->revision, 2);
}

TEST(Waiters, AnOlderRowDoesNotReplaceANewerOne) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  const auto old = w.find(id);
  const auto watch = w.waiters->watch_for(id);
  w.world.run(w.messages->answer(id, 1, "Hi, X. Bye!"));
  w.world.settle();
  watch->saw(old);
  EXPECT_TRUE(*w.world.start(watch->until(is_done, milliseconds(1'000))));
}

TEST(Waiters, HoldNoMoreTextsThanTheyMayAndReadTheOthersWhenTheyAnswer) {
  tests::broker_world w({"broker.http.waiters_max_bytes=20"});
  const auto small = w.accept("Hi, "), large = w.accept("Hi, " + std::string(20, ' '));
  const auto of_small = w.waiters->watch_for(small), of_large = w.waiters->watch_for(large);
  const auto small_waits = w.world.start(of_small->until(is_done, milliseconds(1'000)));
  const auto large_waits = w.world.start(of_large->until(is_done, milliseconds(1'000)));
  const auto finds = w.disk->finds;
  w.world.run(w.messages->answer(small, 1, "Hi, X. Bye!"));
  w.world.settle();
  ASSERT_TRUE(*small_waits);
  EXPECT_EQ((**small_waits)->text, "Hi, X. Bye!");
  EXPECT_EQ(w.disk->finds, finds) << "it was held";
  const auto answer = "Hi, " + std::string(20, 'x') + ". Bye!";
  w.world.run(w.messages->answer(large, 1, answer));
  w.world.settle();
  ASSERT_TRUE(*large_waits);
  EXPECT_EQ((**large_waits)->text, answer);
  EXPECT_GT(w.disk->finds, finds) << "it was read";
}

TEST(Waiters, SeeAnEndWhoseTextNobodyHasRead) {
  tests::broker_world w({"broker.max_failures=0"});
  const auto id = w.accept("Hi, ");
  const auto granted = w.world.run(w.messages->claim({claim_request{{id, 1}}})).at(0).value();
  const auto watch = w.waiters->watch_for(id);
  const auto waited =
      w.world.start(watch->until([](const message& m) { return m.status == status::dead; }, milliseconds(1'000)));
  failed_claim failed;
  failed.what.ready = {id, 1};
  failed.what.claim = granted.claim;
  w.world.run(w.messages->fail({failed}));
  w.world.settle();
  ASSERT_TRUE(*waited);
  EXPECT_EQ((**waited)->text, "Hi, ");
}

TEST(Waiters, FindNothingWhereTheMessageWasDeletedBeforeItsTextWasRead) {
  tests::broker_world w({"broker.http.waiters_max_bytes=0", "broker.retention_ms=1000"});
  const auto id = w.accept("Hi, ");
  const auto watch = w.waiters->watch_for(id);
  const auto waited = w.world.start(watch->until([](const message&) { return false; }, milliseconds(60'000)));
  w.world.run(w.messages->answer(id, 1, "Hi, X. Bye!"));
  w.parts->run(false);
  w.world.advance(milliseconds(70'000));
  ASSERT_TRUE(*waited);
  EXPECT_EQ(**waited, nullptr);
}

TEST(Waiters, AreBounded) {
  tests::broker_world w({"broker.http.waiters_max=1"});
  const auto first = w.waiters->watch_for(uuid{});
  EXPECT_THROW((void)w.waiters->watch_for(uuid{}), unavailable);
}

TEST(Waiters, LeaveNothingBehind) {
  tests::broker_world w;
  { const auto watch = w.waiters->watch_for(uuid{}); }
  EXPECT_EQ(w.waiters->size(), 0U);
}

/// As another process does it: nobody here is told.
void finish_elsewhere(tests::broker_world& w, const uuid& id) {
  w.disk->apply(std::vector<change>{
      life_cycle::answer(id, 1, "Hi, X. Bye!", life_cycle::to_done{}, false, tests::default_rules())});
}

TEST(Waiters, AreWokenByAChangeOfAnotherProcessThatIsTold) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  const auto watch = w.waiters->watch_for(id);
  const auto waited = w.world.start(watch->until(is_done, milliseconds(60'000)));
  finish_elsewhere(w, id);
  w.elsewhere.push_back({{id}});
  w.world.advance(milliseconds(2));
  EXPECT_TRUE(*waited);
}

TEST(Waiters, AreWokenWhenAnythingMayHaveChangedElsewhere) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  const auto watch = w.waiters->watch_for(id);
  const auto waited = w.world.start(watch->until(is_done, milliseconds(60'000)));
  finish_elsewhere(w, id);
  w.elsewhere.push_back({{}, true});
  w.world.advance(milliseconds(2));
  EXPECT_TRUE(*waited);
}

TEST(Waiters, AskTheStoreNothingAboutWhatNobodyWatches) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  w.disk->failing = unavailable(unavailable::reason::broken, "asked");
  w.elsewhere.push_back({{id}, true});
  w.world.advance(milliseconds(2));
  w.disk->failing.reset();
  EXPECT_EQ(w.disk->finds, 0);
}

TEST(Waiters, OutliveAStoreThatIsAwayWhenTheyLook) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  const auto watch = w.waiters->watch_for(id);
  const auto waited = w.world.start(watch->until(is_done, milliseconds(60'000)));
  finish_elsewhere(w, id);
  w.disk->failing = unavailable(unavailable::reason::away, "away");
  w.elsewhere.push_back({{id}});
  w.world.advance(milliseconds(2));
  w.disk->failing.reset();
  EXPECT_FALSE(*waited);
  w.elsewhere.push_back({{}, true});  // as a feed tells now and then
  w.world.advance(milliseconds(2));
  EXPECT_TRUE(*waited);
}

TEST(Waiters, WaitForNobodyWhoHasGone) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  const auto watch = w.waiters->watch_for(id);
  watch->saw(w.find(id));
  const auto asker = std::make_shared<http::peer>();
  const auto waited = w.world.start(watch->until(is_done, milliseconds(60'000), asker));
  w.world.run(w.messages->answer(id, 1, "Hi, X."));
  EXPECT_FALSE(*waited);
  asker->leave();
  w.world.settle();
  ASSERT_TRUE(*waited);
  EXPECT_EQ((**waited)->revision, 2);
  EXPECT_TRUE(*w.world.start(watch->until(is_done, milliseconds(60'000), asker))) << "nor who had gone before";
}

TEST(Waiters, AreSentHomeWithWhatIsKnown) {
  tests::broker_world w;
  const auto id = w.accept("Hi, ");
  const auto watch = w.waiters->watch_for(id);
  watch->saw(w.find(id));
  const auto waited = w.world.start(watch->until(is_done, milliseconds(60'000)));
  w.waiters->send_home();
  w.world.settle();
  ASSERT_TRUE(*waited);
  EXPECT_EQ((**waited)->revision, 1);
}

}  // namespace
}  // namespace amc::broker
