#include "amc/store.hpp"

#include <gmock/gmock.h>

#include "broker/life_cycle.hpp"
#include "core/uuid_source.hpp"
#include "message_store/postgresql/postgresql.hpp"
#include "message_store/sqlite/sqlite.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/postgresql.hpp"
#include "tests/support/temporary_folder.hpp"

/// What every store must do. A new driver is one more line at the end; the simulated store is held to it too.
namespace amc {
namespace {

using broker::life_cycle::to_done;
using broker::life_cycle::to_queue;
namespace life_cycle = broker::life_cycle;

/// What a driver under test needs: a place and a clock.
struct surroundings {
  tests::temporary_folder folder;
  std::unique_ptr<tests::postgresql_database> database{};
  timestamp now{milliseconds(1'700'000'000'000)};
};

struct driver {
  std::string name;
  bool keeps;  ///< what is stored survives the object
  std::function<opened_store(surroundings&)> open;
};

class StoreContract : public testing::TestWithParam<driver> {
 protected:
  outcome apply(const change& what) {
    const std::vector<change> batch{what};
    return store_->apply(batch).at(0);
  }
  uuid accept(const std::string& text = "Hi, ", const std::string& queue = "q", bool rings_now = true) {
    const auto id = next_id_();
    EXPECT_TRUE(apply(life_cycle::accept(id, text, to_queue{queue}, rings_now, times_)).applied);
    return id;
  }
  row find(const uuid& id) {
    const std::vector<uuid> ids{id};
    return store_->find(ids).at(0).now;
  }
  void pass(int milliseconds_passed) { around_.now += milliseconds(milliseconds_passed); }
  void reopen() {
    opened_.reset();
    opened_.emplace(GetParam().open(around_));
    store_ = opened_->drivers.at(0).get();
  }
  std::vector<uuid> due_ids(std::size_t limit = 100) {
    std::vector<uuid> ids;
    for (const auto& r : store_->due(limit)) ids.push_back(r.id);
    return ids;
  }

  surroundings around_;
  std::optional<opened_store> opened_{GetParam().open(around_)};
  store* store_ = opened_->drivers.at(0).get();
  uuid_source next_id_ = uuid_v7_source([this] { return around_.now; }, [] { return std::uint64_t{42}; });
  life_cycle::policy times_{.lease = milliseconds(100), .ring_again = milliseconds(1'000)};
};

TEST_P(StoreContract, TryingToWriteLeavesEverythingAsItWas) {
  const auto id = accept();
  const auto before = *find(id);
  for (int i = 0; i < 3; ++i) EXPECT_NO_THROW(store_->try_writing());
  EXPECT_EQ(find(id)->updated_at, before.updated_at);
  EXPECT_EQ(opened_->reader->list({}).rows.size(), 1U);
  reopen();
  if (GetParam().keeps) {
    EXPECT_TRUE(find(id));
  }
}

TEST_P(StoreContract, FindsWhatWasInserted) {
  const auto id = accept("Hi, é \xf0\x9f\x98\x80");
  const auto found = find(id);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, id);
  EXPECT_EQ(found->text, "Hi, é \xf0\x9f\x98\x80");
  EXPECT_EQ(found->revision, 1);
  EXPECT_EQ(found->status, status::pending);
  EXPECT_EQ(found->queue, "q");
  EXPECT_EQ(found->due, around_.now + times_.ring_again);
  EXPECT_FALSE(found->held);
  EXPECT_EQ(found->claim, 0);
  EXPECT_EQ(found->created_at, around_.now);
}

TEST_P(StoreContract, FindsInTheOrderAsked) {
  const auto one = accept("one");
  const auto two = accept("two");
  const std::vector<uuid> ids{two, uuid{}, one};
  const auto rows = store_->find(ids);
  EXPECT_EQ(rows.at(0).now->text, "two");
  EXPECT_EQ(rows.at(1).now, nullptr);
  EXPECT_EQ(rows.at(2).now->text, "one");
}

TEST_P(StoreContract, TellsTheRowAfterAChange) {
  const auto id = accept();
  const auto became = apply(life_cycle::answer(id, 1, "next", to_queue{"r"}, true, times_));
  ASSERT_TRUE(became.applied);
  EXPECT_EQ(became.now->text, "next");
  EXPECT_EQ(became.now->revision, 2);
  EXPECT_EQ(*became.now->queue.c_str(), 'r');
}

TEST_P(StoreContract, TellsTheRowThatRefused) {
  const auto id = accept();
  const auto became = apply(life_cycle::answer(id, 7, "next", to_queue{"r"}, true, times_));
  EXPECT_FALSE(became.applied);
  EXPECT_EQ(became.now->revision, 1);
  EXPECT_EQ(find(id)->text, "Hi, ");
}

TEST_P(StoreContract, TellsThatThereIsNoRow) {
  const auto became = apply(life_cycle::answer(next_id_(), 1, "next", to_queue{"r"}, true, times_));
  EXPECT_FALSE(became.applied);
  EXPECT_EQ(became.now, nullptr);
}

TEST_P(StoreContract, AnInsertOfAnIdThatExistsIsRefusedAndTellsTheRow) {
  const auto id = accept("first");
  const auto became = apply(life_cycle::accept(id, "second", to_queue{"q"}, true, times_));
  EXPECT_FALSE(became.applied);
  EXPECT_EQ(became.now->text, "first");
}

TEST_P(StoreContract, OneBadChangeInABatchHindersNoOther) {
  const auto one = accept();
  const auto two = accept();
  const std::vector<change> batch{life_cycle::answer(one, 1, "a", to_done{}, false, times_),
                                  life_cycle::answer(one, 1, "b", to_done{}, false, times_),
                                  life_cycle::answer(next_id_(), 1, "c", to_done{}, false, times_),
                                  life_cycle::answer(two, 1, "d", to_done{}, false, times_)};
  const auto became = store_->apply(batch);
  EXPECT_TRUE(became.at(0).applied);
  EXPECT_FALSE(became.at(1).applied);
  EXPECT_FALSE(became.at(2).applied);
  EXPECT_TRUE(became.at(3).applied);
  EXPECT_EQ(find(one)->text, "a");
  EXPECT_EQ(find(two)->text, "d");
}

TEST_P(StoreContract, ChangesOfOneRowInABatchSeeEachOther) {
  const auto id = next_id_();
  const std::vector<change> batch{life_cycle::accept(id, "x", to_queue{"q"}, true, times_),
                                  life_cycle::claim({id, 1}, false), life_cycle::claim({id, 1}, false)};
  const auto became = store_->apply(batch);
  EXPECT_TRUE(became.at(1).applied);
  EXPECT_FALSE(became.at(2).applied);
  EXPECT_EQ(find(id)->claim, 1);
}

TEST_P(StoreContract, LeasesRunOutByTheStoresClock) {
  const auto id = accept();
  EXPECT_TRUE(apply(life_cycle::claim({id, 1}, false)).applied);
  pass(99);
  EXPECT_FALSE(apply(life_cycle::claim({id, 1}, false)).applied);
  pass(1);
  EXPECT_TRUE(apply(life_cycle::claim({id, 1}, false)).applied);
}

TEST_P(StoreContract, EveryMemberOfAGuardCounts) {
  const auto id = accept();
  apply(life_cycle::claim({id, 1}, false));  // claim 1, held, unanswered 1
  const auto due = find(id)->due;
  const auto refuses = [&](const guard& when) { return !apply({.id = id, .when = when}).applied; };
  EXPECT_TRUE(refuses({.status = status::done}));
  EXPECT_TRUE(refuses({.revision = 2}));
  EXPECT_TRUE(refuses({.claim = 2}));
  EXPECT_TRUE(refuses({.held = false}));
  EXPECT_TRUE(refuses({.due = due + milliseconds(1)}));
  EXPECT_TRUE(refuses({.open = true}));
  EXPECT_TRUE(refuses({.unanswered_below = 1}));
  EXPECT_TRUE(refuses({.unanswered_above = 1}));
  EXPECT_TRUE(refuses({.expired = true}));
  EXPECT_TRUE(refuses({.text_other_than = "Hi, "}));
  EXPECT_FALSE(refuses({.status = status::pending,
                        .revision = 1,
                        .claim = 1,
                        .held = true,
                        .due = due,
                        .claims_left = true,
                        .unanswered_below = 2,
                        .unanswered_above = 0,
                        .expired = false,
                        .text_other_than = "other"}));
}

TEST_P(StoreContract, EveryMemberOfAnEffectCounts) {
  const auto id = accept();
  const auto became = apply({.id = id,
                             .then = {.text = "t",
                                      .status = status::dead,
                                      .queue = "z",
                                      .held = true,
                                      .due_in = milliseconds(5),
                                      .new_claim = true,
                                      .unanswered = effect::count::one_more,
                                      .failures = effect::count::one_more,
                                      .lease = milliseconds(77),
                                      .max_claims = 9,
                                      .error = "it \"broke\""}});
  ASSERT_TRUE(became.applied);
  const auto found = find(id);
  EXPECT_EQ(found->text, "t");
  EXPECT_EQ(found->revision, 2);
  EXPECT_EQ(found->status, status::dead);
  EXPECT_EQ(found->queue, "z");
  EXPECT_TRUE(found->held);
  EXPECT_EQ(found->due, around_.now + milliseconds(5));
  EXPECT_EQ(found->claim, 1);
  EXPECT_EQ(found->unanswered, 1);
  EXPECT_EQ(found->failures, 1);
  EXPECT_EQ(found->lease, milliseconds(77));
  EXPECT_EQ(found->max_claims, 9);
  ASSERT_EQ(found->attempts.size(), 1U);
  EXPECT_EQ(found->attempts[0].error, "it \"broke\"");
  EXPECT_EQ(found->attempts[0].revision, 2);
  EXPECT_EQ(found->attempts[0].claim, 1);
  EXPECT_EQ(found->attempts[0].at, around_.now);
  apply({.id = id, .then = {.due_at = around_.now + milliseconds(9)}});
  EXPECT_EQ(find(id)->due, around_.now + milliseconds(9));
  apply({.id = id, .then = {.due_after_lease = true}});
  EXPECT_EQ(find(id)->due, around_.now + milliseconds(77));
  apply({.id = id, .then = {.unanswered = effect::count::one_less, .failures = effect::count::zero}});
  EXPECT_EQ(find(id)->unanswered, 0);
  EXPECT_EQ(find(id)->failures, 0);
}

TEST_P(StoreContract, DueFindsWhatIsDueOldestFirst) {
  const auto late = accept();
  pass(10);
  const auto later = accept();
  EXPECT_TRUE(due_ids().empty());
  pass(990);
  EXPECT_THAT(due_ids(), testing::ElementsAre(late));
  pass(10);
  EXPECT_THAT(due_ids(), testing::ElementsAre(late, later));
}

TEST_P(StoreContract, DueTellsWhatTheGuardNeeds) {
  const auto id = accept();
  apply(life_cycle::claim({id, 1}, false));
  pass(100);
  const auto rows = store_->due(10);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].queue, "q");
  EXPECT_EQ(rows[0].revision, 1);
  EXPECT_TRUE(rows[0].held);
  EXPECT_TRUE(apply(life_cycle::ring(rows[0], times_)).applied);
  EXPECT_TRUE(store_->due(10).empty());
}

TEST_P(StoreContract, DueLimitsEachQueueByItself) {
  for (int i = 0; i < 5; ++i) {
    accept("x", "a", false);
    accept("x", "b", false);
  }
  EXPECT_EQ(store_->due(3).size(), 6U);
}

TEST_P(StoreContract, DueLeavesFinishedMessagesAlone) {
  const auto id = accept("x", "q", false);
  apply(life_cycle::answer(id, 1, "y", to_done{}, false, times_));
  pass(5'000);
  EXPECT_TRUE(store_->due(10).empty());
}

TEST_P(StoreContract, MakeAllDueLeavesOutWhatIsHeld) {
  const auto free = accept();
  const auto held = accept();
  const auto done = accept();
  apply(life_cycle::claim({held, 1}, false));
  apply(life_cycle::answer(done, 1, "y", to_done{}, false, times_));
  store_->make_all_due();
  EXPECT_THAT(due_ids(), testing::ElementsAre(free));
}

TEST_P(StoreContract, ListsInTheOrderOfIdsPageByPage) {
  const std::vector<uuid> ids{accept("1"), accept("2"), accept("3")};
  list_filter all{.limit = 2};
  const auto first = opened_->reader->list(all);
  ASSERT_EQ(first.next, ids[1]);
  EXPECT_EQ(first.rows.at(0)->text, "1");
  EXPECT_EQ(first.rows.at(1)->id, ids[1]);
  all.after = *first.next;
  const auto last = opened_->reader->list(all);
  ASSERT_EQ(last.rows.size(), 1U);
  EXPECT_EQ(last.rows.at(0)->id, ids[2]);
  EXPECT_FALSE(last.next);
}

TEST_P(StoreContract, ListsWhatHasTheStatusAndTheQueue) {
  const auto dead = accept("", "q"), dead_in_r = accept("", "r"), pending = accept("", "q");
  for (const auto& id : {dead, dead_in_r}) apply({.id = id, .then = {.status = status::dead}});
  const auto ids = [&](std::optional<status> in, const std::string& queue) {
    std::vector<uuid> found;
    for (const auto& m : opened_->reader->list({.status = in, .queue = queue}).rows) found.push_back(m->id);
    return found;
  };
  EXPECT_THAT(ids(status::dead, ""), testing::ElementsAre(dead, dead_in_r));
  EXPECT_THAT(ids(status::dead, "r"), testing::ElementsAre(dead_in_r));
  EXPECT_THAT(ids(status::pending, ""), testing::ElementsAre(pending));
  EXPECT_THAT(ids({}, "q"), testing::ElementsAre(dead, pending));
}

TEST_P(StoreContract, CountsWhatWaitsInAQueueAndWhatDiedThere) {
  accept("the oldest", "q");
  const auto accepted = around_.now;
  pass(1'500);
  accept("due later", "q");
  apply(life_cycle::claim({accept("held", "q"), 1}, false));
  apply({.id = accept("dead", "r"), .then = {.status = status::dead}});
  apply(life_cycle::answer(accept("done", "s"), 1, "", to_done{}, false, times_));
  const auto all = opened_->reader->counts();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].queue, "q");
  EXPECT_EQ(all[0].pending, 3U);
  EXPECT_EQ(all[0].due, 1U);
  EXPECT_EQ(all[0].held, 1U);
  EXPECT_EQ(all[0].dead, 0U);
  EXPECT_EQ(all[0].oldest, accepted);
  EXPECT_EQ(all[1].queue, "r");
  EXPECT_EQ(all[1].pending, 0U);
  EXPECT_EQ(all[1].dead, 1U);
}

TEST_P(StoreContract, PurgesWhatHasBeenTerminalForLongEnough) {
  const auto done = accept(), dead = accept(), pending = accept();
  apply({.id = done, .then = {.status = status::done}});
  apply({.id = dead, .then = {.status = status::dead}});
  const purge_request old{.kept = milliseconds(1'000), .dead_kept = milliseconds(2'000)};
  pass(999);
  EXPECT_EQ(store_->purge(old).count, 0U);
  pass(2);
  EXPECT_EQ(store_->purge(old).count, 1U);
  EXPECT_FALSE(find(done));
  EXPECT_TRUE(find(dead));
  pass(1'000);
  EXPECT_EQ(store_->purge(old).count, 1U);
  EXPECT_FALSE(find(dead));
  EXPECT_TRUE(find(pending));
}

TEST_P(StoreContract, PurgesALimitedNumberOfRowsAtATime) {
  for (int i = 0; i < 3; ++i) apply({.id = accept(), .then = {.status = status::done}});
  pass(10);
  purge_request two{.kept = milliseconds(1), .dead_kept = milliseconds(1), .limit = 2};
  const auto first = store_->purge(two);
  EXPECT_EQ(first.count, 2U);
  ASSERT_TRUE(first.next);
  two.after = *first.next;
  const auto second = store_->purge(two);
  EXPECT_EQ(second.count, 1U);
  EXPECT_FALSE(second.next);
}

TEST_P(StoreContract, KeepsEverythingOverAReopening) {
  if (!GetParam().keeps) GTEST_SKIP() << "keeps nothing by design";
  const auto id = accept();
  apply(life_cycle::claim({id, 1}, false));
  const auto before = *find(id);
  reopen();
  const auto after = find(id);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->text, before.text);
  EXPECT_EQ(after->due, before.due);
  EXPECT_EQ(after->claim, before.claim);
  EXPECT_EQ(after->held, before.held);
}

TEST_P(StoreContract, HoldsTextsOfAnySize) {
  const std::string large(3 << 20, 'x');
  const auto id = accept(large);
  apply(life_cycle::claim({id, 1}, false));
  EXPECT_EQ(find(id)->text, large);
}

TEST_P(StoreContract, AnEmptyBatchIsFine) {
  EXPECT_TRUE(store_->apply({}).empty());
  EXPECT_TRUE(store_->find({}).empty());
}

INSTANTIATE_TEST_SUITE_P(
    Drivers, StoreContract,
    testing::Values(driver{"sqlite", true,
                           [](surroundings& around) {
                             return message_store::open_sqlite(
                                 {(around.folder.path / "amc.db").string(), [&around] { return around.now; }});
                           }},
                    driver{"postgresql", true,
                           [](surroundings& around) {
                             if (!around.database) around.database = std::make_unique<tests::postgresql_database>();
                             message_store::postgresql_options options;
                             options.url = around.database->url();
                             options.now = [&around] { return around.now; };
                             options.connections = 1;
                             return message_store::open_postgresql(options);
                           }},
                    driver{"memory", false,
                           [](surroundings& around) { return tests::open_memory([&around] { return around.now; }); }}),
    [](const auto& suite) { return suite.param.name; });

}  // namespace
}  // namespace amc
