#include "message_store/store.hpp"

#include <gmock/gmock.h>

#include "broker/life_cycle.hpp"
#include "core/uuid_source.hpp"
#include "message_store/attempts.hpp"
#include "message_store/columns.hpp"
#include "message_store/postgresql/postgresql.hpp"
#include "message_store/sqlite/sqlite.hpp"
#include "tests/support/configured.hpp"
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
  std::size_t past_max_bytes = 2'000;
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
    return store_->find(ids, true).at(0).now;
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

  /// How many rows each page has, until there is no next one; what they were is in `listed_`.
  std::vector<std::size_t> pages_of(list_filter filter) {
    std::vector<std::size_t> sizes;
    listed_.clear();
    for (std::optional<uuid> next = filter.after; next;) {
      filter.after = *next;
      const auto page = opened_->reader->list(filter);
      sizes.push_back(page.rows.size());
      for (const auto& m : page.rows) listed_.push_back(m->id);
      next = page.next;
    }
    return sizes;
  }
  /// A content with all that it can have.
  static content order() {
    content said(R"({"boxes": 2.50})");
    said.form = content_form::json;
    said.content_type = "application/json";
    said.headers = std::vector<header>{{"tenant", "a \"b\" \\ {c}, ü"}, {"empty", ""}};
    return said;
  }
  /// A text that no store can keep small.
  static std::string incompressible(std::size_t bytes) {
    std::string text;
    for (std::uint64_t bits = 42; text.size() < bytes; bits = bits * 6'364'136'223'846'793'005 + 1)
      text += static_cast<char>('0' + (bits >> 33) % 64);
    return text;
  }
  /// What is kept of what its earlier revisions said: "REVISION TEXT".
  std::vector<std::string> past_texts(const uuid& id) {
    std::vector<std::string> all;
    for (const auto& c : opened_->reader->past_of(id).contents)
      all.push_back(std::to_string(c.revision) + " " + c.text);
    return all;
  }
  /// The first column in which two rows differ; empty: none.
  static std::string unlike(const message& one, const message& other) {
    const auto same = [&](auto member) {
      if constexpr (std::is_same_v<decltype(member), std::vector<attempt> message::*>)
        return message_store::attempts_text(one.*member) == message_store::attempts_text(other.*member);
      else
        return one.*member == other.*member;
    };
    for (const auto& c : message_store::columns)
      if (!std::visit(same, c.value)) return c.name;
    return "";
  }

  std::vector<uuid> listed_;
  surroundings around_;
  std::optional<opened_store> opened_{GetParam().open(around_)};
  store* store_ = opened_->drivers.at(0).get();
  uuid_source next_id_ = uuid_v7_source([this] { return around_.now; }, [] { return std::uint64_t{42}; });
  life_cycle::policy times_ = [] {
    auto rules = tests::default_rules();
    rules.lease = milliseconds(100);
    rules.ring_again = milliseconds(1'000);
    return rules;
  }();
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

TEST_P(StoreContract, FindsWithoutTextsWhereNobodyReadsThem) {
  const std::array ids{accept(), next_id_()};
  const auto rows = store_->find(ids, false);
  ASSERT_TRUE(rows.at(0).now);
  EXPECT_EQ(rows[0].now->text, "");
  EXPECT_EQ(rows[0].now->revision, 1);
  EXPECT_FALSE(rows.at(1).now);
}

TEST_P(StoreContract, FindsInTheOrderAsked) {
  const auto one = accept("one");
  const auto two = accept("two");
  const std::vector<uuid> ids{two, uuid{}, one};
  const auto rows = store_->find(ids, true);
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

TEST_P(StoreContract, WhatIsNoTextIsKeptToTheByteOrUnfitAndHindersNoOther) {
  for (const std::string& odd :
       {std::string("a\0b", 3), std::string("\xff"), std::string("\xed\xa0\x80"), std::string("Hi, \xf0\x9f\x98")}) {
    const auto before = next_id_(), between = next_id_(), after = next_id_();
    const std::vector<change> batch{life_cycle::accept(before, "b", to_queue{"q"}, true, times_),
                                    life_cycle::accept(next_id_(), odd, to_queue{"q"}, true, times_),
                                    life_cycle::accept(between, "b", to_queue{"q"}, true, times_),
                                    life_cycle::accept(next_id_(), "x", to_queue{odd}, true, times_),
                                    life_cycle::accept(after, "b", to_queue{"q"}, true, times_)};
    const auto became = store_->apply(batch);
    ASSERT_EQ(became.size(), batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) EXPECT_NE(became[i].applied, became[i].unfit.has_value()) << i;
    for (const auto& id : {before, between, after}) EXPECT_TRUE(find(id));
    if (became[1].applied) {
      EXPECT_EQ(find(batch[1].id)->text, odd);
    }
    if (became[3].applied) {
      EXPECT_EQ(find(batch[3].id)->queue, odd);
    }
    EXPECT_EQ(opened_->reader->list({.queue = odd}).rows.size(), became[3].applied ? 1U : 0U);
    EXPECT_FALSE(opened_->reader->list({.queue = "q"}).rows.empty());
  }
}

TEST_P(StoreContract, ChangesOfOneRowInABatchSeeEachOther) {
  const auto id = next_id_();
  const std::vector<change> batch{life_cycle::accept(id, "x", to_queue{"q"}, true, times_),
                                  life_cycle::claim({id, 1}, 7, false), life_cycle::claim({id, 1}, 8, false)};
  const auto became = store_->apply(batch);
  EXPECT_TRUE(became.at(1).applied);
  EXPECT_FALSE(became.at(2).applied);
  EXPECT_EQ(find(id)->claim, 7);
}

TEST_P(StoreContract, LeasesRunOutByTheStoresClock) {
  const auto id = accept();
  EXPECT_TRUE(apply(life_cycle::claim({id, 1}, 1, false)).applied);
  pass(99);
  EXPECT_FALSE(apply(life_cycle::claim({id, 1}, 1, false)).applied);
  pass(1);
  EXPECT_TRUE(apply(life_cycle::claim({id, 1}, 1, false)).applied);
}

TEST_P(StoreContract, EveryMemberOfAGuardCounts) {
  const auto id = accept();
  apply(life_cycle::claim({id, 1}, 1, false));  // claim 1, held, unanswered 1
  const auto due = find(id)->due;
  const auto refuses = [&](const guard& when) { return !apply({.id = id, .when = when}).applied; };
  EXPECT_TRUE(refuses({.status = status::done}));
  EXPECT_TRUE(refuses({.revision = 2}));
  EXPECT_TRUE(refuses({.claim = 2}));
  EXPECT_TRUE(refuses({.held = false}));
  EXPECT_TRUE(refuses({.due = due + milliseconds(1)}));
  EXPECT_TRUE(refuses({.open = true}));
  EXPECT_TRUE(refuses({.unanswered_below = 1}));
  EXPECT_FALSE(apply({.id = accept(), .when = {.claimed = true}}).applied) << "nobody has claimed it";
  EXPECT_TRUE(refuses({.unanswered_above = 1}));
  EXPECT_TRUE(refuses({.expired = true}));
  EXPECT_TRUE(refuses({.text_other_than = "Hi, "}));
  EXPECT_TRUE(refuses({.text_bytes_max = 3}));
  EXPECT_TRUE(refuses({.erased = true}));
  EXPECT_FALSE(refuses({.status = status::pending,
                        .revision = 1,
                        .claim = 1,
                        .claimed = true,
                        .held = true,
                        .due = due,
                        .claims_left = true,
                        .unanswered_below = 2,
                        .unanswered_above = 0,
                        .expired = false,
                        .erased = false,
                        .text_other_than = "other",
                        .text_bytes_max = 4}));
}

/// Who may do this in those queues.
principal_ptr who_may(right what, std::vector<std::string> queues) {
  auto who = std::make_shared<principal>();
  who->name = "team_a";
  for (auto& q : queues) who->queues[static_cast<std::size_t>(what)].add(std::move(q));
  return who;
}

TEST_P(StoreContract, AGuardAsksForARightInTheRowsQueue) {
  const auto id = accept("x", "team_a.in");
  const auto admits = [&](right what, std::vector<std::string> queues, bool or_owner = false) {
    return apply({.id = id,
                  .when = {.access = access_condition{who_may(what, std::move(queues)), right::serve, or_owner}}})
        .applied;
  };
  EXPECT_TRUE(admits(right::serve, {"team_a.in"}));
  EXPECT_TRUE(admits(right::serve, {"other", "team_*"}));
  EXPECT_TRUE(admits(right::serve, {"*"}));
  EXPECT_FALSE(admits(right::read, {"*"})) << "another right";
  EXPECT_FALSE(admits(right::serve, {}));
  EXPECT_FALSE(admits(right::serve, {"team_a.i", "team-*", "teamXa*", "%", "team_a_in", "\\*"}))
      << "names are no patterns of SQL";
  EXPECT_FALSE(admits(right::serve, {}, true)) << "it has no owner";
  apply({.id = id, .when = {.status = status::pending}, .then = {.status = status::done, .queue = ""}});
  EXPECT_TRUE(admits(right::serve, {"team_a.in"})) << "it was there last";
  EXPECT_FALSE(admits(right::serve, {"other"}));
}

TEST_P(StoreContract, AGuardKnowsOwnersAndHolders) {
  const auto posted = [&] {
    const auto id = next_id_();
    apply(life_cycle::accept(id, "x", to_queue{"q"}, true, times_, {.owner = "team_a"}));
    return id;
  };
  const auto admits = [&](const uuid& id, const char* name, bool or_owner, bool as_holder) {
    principal who;
    who.name = name;
    if (as_holder) who.queues[static_cast<std::size_t>(right::serve)].add("q");
    const access_condition asked{std::make_shared<principal>(who), right::serve, or_owner, as_holder};
    return apply({.id = id, .when = {.access = asked}, .then = {.held = true, .due_after_lease = true}}).applied;
  };
  const auto owned = posted();
  EXPECT_TRUE(admits(owned, "team_a", true, false));
  EXPECT_FALSE(admits(owned, "team_a", false, false)) << "owners are not asked for";
  EXPECT_FALSE(admits(owned, "team", true, false));
  EXPECT_TRUE(admits(owned, "anybody", false, true)) << "nobody has claimed it";
  for (const auto* holder : {"team_a", "team_a/s/w"}) {
    const auto held = posted();
    ASSERT_TRUE(apply(life_cycle::claim({held, 1}, 1, false, holder)).applied);
    EXPECT_TRUE(admits(held, "team_a", false, true)) << holder;
    for (const auto* other : {"team", "team_a_", "teamXa"})
      EXPECT_FALSE(admits(held, other, false, true)) << other << " " << holder;
  }
}

TEST_P(StoreContract, AListShowsWhatIsPermitted) {
  const auto mine = accept("x", "team_a"), other = accept("y", "teamXa"), done = accept("z", "team_a");
  apply({.id = done, .when = {.status = status::pending}, .then = {.status = status::done, .queue = ""}});
  const auto listed = [&](std::vector<std::string> patterns, std::optional<status> in = {}) {
    auto permitted = std::make_shared<queue_patterns>();
    for (auto& p : patterns) permitted->add(std::move(p));
    std::vector<uuid> ids;
    for (const auto& m : opened_->reader->list({.status = in, .permitted = permitted}).rows) ids.push_back(m->id);
    return ids;
  };
  EXPECT_THAT(listed({"team_a"}), testing::ElementsAre(mine, done));
  EXPECT_THAT(listed({"team_a"}, status::done), testing::ElementsAre(done));
  EXPECT_THAT(listed({"team*"}), testing::ElementsAre(mine, other, done));
  EXPECT_TRUE(listed({}).empty());
}

TEST_P(StoreContract, ANewRevisionMayBeStoredClaimed) {
  const auto id = next_id_();
  auto arriving = life_cycle::accept(id, "x", to_queue{"q"}, true, times_);
  life_cycle::hand_off(arriving, 7);
  const auto first = apply(std::move(arriving));
  ASSERT_TRUE(first.applied);
  auto next = life_cycle::answer(id, 1, "y", to_queue{"r"}, true, times_);
  life_cycle::hand_off(next, 8);
  const auto second = apply(std::move(next));
  ASSERT_TRUE(second.applied);
  std::int64_t number = 7;
  for (const auto& now : {first.now, second.now, find(id)}) {
    EXPECT_TRUE(now->held);
    EXPECT_EQ(now->due, around_.now + times_.lease);
    EXPECT_EQ(now->unanswered, 1);
    EXPECT_EQ(now->claim, number);
    number = 8;
  }
  EXPECT_EQ(second.now->text, "y");
}

TEST_P(StoreContract, AClaimMayLastLessThanItsLease) {
  const auto claimed_for = [&](milliseconds longest) {
    return apply(life_cycle::claim({accept(), 1}, 1, false, {}, longest)).now->due - around_.now;
  };
  EXPECT_EQ(claimed_for(times_.lease / 2), times_.lease / 2);
  EXPECT_EQ(claimed_for(times_.lease * 2), times_.lease);
  auto handed = life_cycle::accept(next_id_(), "x", to_queue{"q"}, true, times_);
  life_cycle::hand_off(handed, 2, {}, milliseconds(1));
  EXPECT_EQ(apply(std::move(handed)).now->due, around_.now + milliseconds(1));
}

TEST_P(StoreContract, WhatWaitsMayLeaveOutWhatWasLeftUnansweredOften) {
  const auto often = accept("often", "q"), seldom = accept("seldom", "q");
  apply({.id = often, .then = {.unanswered = effect::count::one}});
  const auto waiting = [&](std::optional<int> below) {
    std::vector<uuid> ids;
    for (const auto& r : store_->waiting({"q", times_.ring_again, 10, below})) ids.push_back(r.id);
    return ids;
  };
  EXPECT_THAT(waiting({}), testing::UnorderedElementsAre(often, seldom));
  EXPECT_THAT(waiting(1), testing::ElementsAre(seldom));
}

TEST_P(StoreContract, AGuardMeasuresATextInBytes) {
  const auto id = accept("é€😀");  // of 2, 3 and 4 bytes
  const auto admits = [&](std::size_t bytes) {
    return apply({.id = id, .when = {.text_bytes_max = bytes}, .text_back = text_back::never}).applied;
  };
  EXPECT_FALSE(admits(8));
  EXPECT_TRUE(admits(9));
  const auto large = accept(incompressible(100'000));  // kept apart from its row where a store does so
  const auto admits_large = [&](std::size_t bytes) {
    return apply({.id = large, .when = {.text_bytes_max = bytes}}).applied;
  };
  EXPECT_FALSE(admits_large(99'999));
  EXPECT_TRUE(admits_large(100'000));
}

TEST_P(StoreContract, ARowCarriesItsTextWhereTheChangeWantsItBack) {
  const auto text_told = [&](const uuid& id, guard when, effect then, text_back back) {
    const auto became = apply({.id = id, .when = std::move(when), .then = std::move(then), .text_back = back});
    return became.now->text;
  };
  const guard admitting{.status = status::pending}, refusing{.status = status::done};
  const effect claims{.new_claim = 1};
  const auto id = accept("old");
  EXPECT_EQ(text_told(id, admitting, claims, text_back::never), "");
  EXPECT_EQ(text_told(id, admitting, claims, text_back::when_applied), "old");
  EXPECT_EQ(text_told(id, admitting, claims, text_back::always), "old");
  EXPECT_EQ(text_told(id, refusing, claims, text_back::never), "");
  EXPECT_EQ(text_told(id, refusing, claims, text_back::when_applied), "");
  EXPECT_EQ(text_told(id, refusing, claims, text_back::always), "old");
  EXPECT_EQ(text_told(id, {.text_bytes_max = 2}, claims, text_back::when_applied), "");
  EXPECT_EQ(text_told(id, {.text_bytes_max = 2}, claims, text_back::always), "old");
  EXPECT_EQ(text_told(id, admitting, {.status = status::pending, .queue = "z"}, text_back::never), "");
  EXPECT_EQ(find(id)->text, "old") << "what nobody wanted to be told is still there";
  EXPECT_EQ(text_told(id, refusing, {.text = "new"}, text_back::when_applied), "");
  EXPECT_EQ(text_told(id, refusing, {.text = "new"}, text_back::always), "old");
  EXPECT_EQ(text_told(id, admitting, {.text = "new"}, text_back::never), "");
  EXPECT_EQ(find(id)->text, "new");
  EXPECT_EQ(text_told(id, admitting, {.text = "newer"}, text_back::when_applied), "newer");
  EXPECT_EQ(text_told(id, admitting, {.text = "newest"}, text_back::always), "newest");
}

TEST_P(StoreContract, AnInsertTellsTheTextWhereItIsWanted) {
  const auto insert = [&](const uuid& id, const std::string& text, text_back back, const std::string& key) {
    change what{.id = id, .insert = true, .then = {.text = text, .status = status::pending}, .text_back = back};
    if (!key.empty()) what.then.once = idempotency{key, "f", milliseconds(1'000)};
    return apply(what).now;
  };
  for (const std::string key : {"", "key"}) {
    const auto id = next_id_();
    EXPECT_EQ(insert(id, "first", text_back::when_applied, key)->text, "first");
    // One with a key meets the key's row, under another id.
    const auto other = key.empty() ? id : next_id_();
    EXPECT_EQ(insert(other, "second", text_back::never, key)->text, "");
    EXPECT_EQ(insert(other, "second", text_back::when_applied, key)->text, "");
    EXPECT_EQ(insert(other, "second", text_back::always, key)->text, "first");
    EXPECT_EQ(insert(other, "second", text_back::always, key)->id, id);
    EXPECT_EQ(find(id)->text, "first");
  }
  EXPECT_EQ(insert(next_id_(), "x", text_back::never, "")->text, "");
  EXPECT_EQ(insert(next_id_(), "x", text_back::never, "other key")->text, "");
}

TEST_P(StoreContract, EveryColumnIsKept) {
  life_cycle::accept_options all{.expires_at = around_.now + milliseconds(9'000),
                                 .once = idempotency{"key", "fingerprint", milliseconds(1'000)},
                                 .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                 .tracestate = "vendor=1,other=\"2\"",
                                 .owner = "somebody"};
  const auto id = next_id_();
  const auto inserted = apply(life_cycle::accept(id, order(), to_queue{"q"}, true, times_, all));
  ASSERT_TRUE(inserted.applied);
  EXPECT_EQ(unlike(*inserted.now, *find(id)), "");
  EXPECT_EQ(inserted.now->idempotency_key, "key");
  EXPECT_EQ(inserted.now->traceparent, all.traceparent);
  EXPECT_EQ(inserted.now->tracestate, all.tracestate);
  EXPECT_EQ(inserted.now->owner, "somebody");
  EXPECT_EQ(inserted.now->form, content_form::json);
  EXPECT_EQ(inserted.now->content_type, "application/json");
  EXPECT_EQ(inserted.now->headers, order().headers);
  pass(7);
  const auto unlike_after = [&](change what) {
    what.text_back = text_back::always;
    const auto became = apply(what);
    return became.applied ? unlike(*became.now, *find(id)) : "was refused";
  };
  EXPECT_EQ(unlike_after(life_cycle::claim({id, 1}, 1, false, "worker \"7\"")), "");
  EXPECT_EQ(find(id)->holder, "worker \"7\"");
  EXPECT_EQ(find(id)->claimed_at, around_.now);
  EXPECT_EQ(find(id)->rung_at, around_.now - milliseconds(7));
  EXPECT_EQ(unlike_after(life_cycle::fail(*find(id), 1, "it broke", false, times_)), "");
  EXPECT_EQ(unlike_after(life_cycle::answer(id, 1, "next", to_queue{"r"}, true, times_)), "");
  EXPECT_EQ(unlike_after({.id = id, .then = {.status = status::dead, .queue = "z"}}), "");
  EXPECT_EQ(find(id)->revision, 2);
  EXPECT_EQ(find(id)->attempts.size(), 1U);
  const auto page = opened_->reader->list({});
  EXPECT_EQ(unlike(*page.rows.at(0), *find(id)), "");
  EXPECT_EQ(unlike(*opened_->reader->past_of(id).of.now, *find(id)), "");
  EXPECT_EQ(unlike_after(life_cycle::erase(*find(id))), "");
  EXPECT_EQ(find(id)->erased_at, around_.now);
}

TEST_P(StoreContract, AKeyThatIsTakenFromARowIsNotToldOfItAnyMore) {
  const auto insert = [&](const uuid& id) {
    life_cycle::accept_options once{.once = idempotency{"key", "fingerprint", milliseconds(1'000)}};
    return apply(life_cycle::accept(id, "Hi, ", to_queue{"q"}, true, times_, once)).applied;
  };
  const auto id = next_id_();
  ASSERT_TRUE(insert(id));
  pass(1'001);
  ASSERT_TRUE(insert(next_id_()));
  const auto claimed = apply(life_cycle::claim({id, 1}, 1, false));
  ASSERT_TRUE(claimed.applied);
  EXPECT_EQ(claimed.now->idempotency_key, "");
}

TEST_P(StoreContract, MakingAllDueIsSeenByTheNextChange) {
  const auto id = accept();
  const auto due = find(id)->due;
  store_->make_all_due("");
  EXPECT_FALSE(apply({.id = id, .when = {.status = status::pending, .due = due}, .then = {.held = true}}).applied);
}

TEST_P(StoreContract, MakingOneQueueDuePutsWhatWasRungBeforeWhatWaitsThereAndLeavesTheOthers) {
  const auto one = accept("Hi, ", "q"), other = accept("Hi, ", "r");
  pass(10);
  const auto waits = accept("Hi, ", "q", false);
  pass(10);
  const auto due = find(other)->due;
  store_->make_all_due("q");
  EXPECT_LT(find(one)->due, find(waits)->due);
  EXPECT_EQ(find(other)->due, due);
}

TEST_P(StoreContract, QueuesArePausedUntilTheyAreResumed) {
  EXPECT_TRUE(store_->paused({}).empty());
  store_->paused(pause_request{"q", true, "ops \"night\""});
  const auto since = around_.now;
  pass(10);
  const auto known = store_->paused(pause_request{"q", true, "somebody else"});
  ASSERT_EQ(known.size(), 1U);
  EXPECT_EQ(known.at("q").since, since) << "it was paused already";
  EXPECT_EQ(known.at("q").by, "ops \"night\"");
  EXPECT_EQ(store_->paused(pause_request{"r", true, ""}).size(), 2U);
  EXPECT_EQ(store_->paused(pause_request{"q", false, ""}).count("q"), 0U);
  EXPECT_EQ(store_->paused(pause_request{"q", false, ""}).size(), 1U) << "it was resumed already";
}

TEST_P(StoreContract, APauseOutlivesTheProcess) {
  if (!GetParam().keeps) GTEST_SKIP() << "keeps nothing";
  store_->paused(pause_request{"q", true, "ops"});
  reopen();
  EXPECT_EQ(store_->paused({}).count("q"), 1U);
}

TEST_P(StoreContract, AChangeThatIsNotForTheseQueuesIsRefusedThere) {
  const auto paused = std::make_shared<const paused_queues>(paused_queues{{"p", {}}, {"q", {}}});
  const auto in_one = accept("Hi, ", "q"), in_another = accept("Hi, ", "qq");
  const auto refused = apply(life_cycle::unless_paused(paused, life_cycle::claim({in_one, 1}, 1, false)));
  EXPECT_FALSE(refused.applied);
  EXPECT_EQ(
      life_cycle::refusal(life_cycle::unless_paused(paused, life_cycle::claim({in_one, 1}, 1, false)), refused)->code,
      errc::held);
  EXPECT_TRUE(apply(life_cycle::unless_paused(paused, life_cycle::claim({in_another, 1}, 1, false))).applied);
  EXPECT_TRUE(apply(life_cycle::unless_paused(nullptr, life_cycle::claim({in_one, 1}, 1, false))).applied);
}

TEST_P(StoreContract, WhatSomebodyWorksOnIsLeftAloneUntilTheLeaseIsOver) {
  const auto id = accept();
  apply(life_cycle::claim({id, 1}, 1, false));
  EXPECT_FALSE(apply(life_cycle::run_now(id)).applied);
  EXPECT_FALSE(apply(life_cycle::cancel_unclaimed(id, "q")).applied);
  EXPECT_FALSE(apply(life_cycle::move(*find(id), {"r", times_})).applied);
  pass(100);
  EXPECT_TRUE(apply(life_cycle::move(*find(id), {"r", times_})).applied);
  EXPECT_TRUE(apply(life_cycle::run_now(id)).applied);
  EXPECT_TRUE(apply(life_cycle::cancel_unclaimed(id, "r")).applied);
  EXPECT_EQ(find(id)->status, status::cancelled);
}

TEST_P(StoreContract, WhatHasGoneOnToAnotherQueueIsLeftAlone) {
  const auto id = accept();
  const auto read = *find(id);
  ASSERT_TRUE(apply(life_cycle::move(read, {"r", times_})).applied);
  EXPECT_FALSE(apply(life_cycle::move(read, {"s", times_})).applied);
  EXPECT_FALSE(apply(life_cycle::cancel_unclaimed(id, "q")).applied);
  EXPECT_EQ(find(id)->queue, "r");
  EXPECT_TRUE(apply(life_cycle::cancel_unclaimed(id, "r")).applied);
}

TEST_P(StoreContract, WhatWaitsForItsDateIsDueNow) {
  const auto id = next_id_();
  life_cycle::accept_options later{.deliver_at = around_.now + milliseconds(90'000)};
  apply(life_cycle::accept(id, "Hi, ", to_queue{"q"}, true, times_, later));
  ASSERT_TRUE(apply(life_cycle::run_now(id)).applied);
  EXPECT_FALSE(find(id)->held);
  EXPECT_EQ(find(id)->due, around_.now);
  const auto told = history_of(*find(id));
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told.back().what, "run_now");
}

TEST_P(StoreContract, WhatIsMovedIsTreatedAsItsNewQueueIsAndRemembersTheOldOne) {
  const auto id = next_id_();
  apply(life_cycle::accept(id, order(), to_queue{"q"}, true, times_));
  apply(life_cycle::claim({id, 1}, 1, false));
  apply(life_cycle::fail(*find(id), 1, "no", false, times_));
  auto rules = times_;
  rules.lease = milliseconds(7'000);
  rules.max_claims = 9;
  const auto before = find(id);
  const auto moved = apply(life_cycle::move(*before, {"r", rules}));
  ASSERT_TRUE(moved.applied);
  EXPECT_EQ(unlike(*moved.now, *find(id)), "");
  EXPECT_EQ(moved.now->queue, "r");
  EXPECT_EQ(moved.now->lease, rules.lease);
  EXPECT_EQ(moved.now->max_claims, 9);
  EXPECT_EQ(moved.now->failures, 0);
  EXPECT_EQ(moved.now->due, before->due) << "its back-off";
  EXPECT_EQ(latest_of(*moved.now)->what, "moved");
  EXPECT_EQ(latest_of(*moved.now)->queue, "q");
}

TEST_P(StoreContract, WhatIsEditedIsANextRevisionThatIsTriedAfresh) {
  const auto id = accept();
  apply(life_cycle::claim({id, 1}, 1, false));
  apply(life_cycle::fail(*find(id), 1, "no", true, times_));
  ASSERT_EQ(find(id)->status, status::dead);
  const auto edited = apply(life_cycle::edit(*find(id), order(), {"r", times_}));
  ASSERT_TRUE(edited.applied);
  EXPECT_EQ(unlike(*edited.now, *find(id)), "");
  EXPECT_EQ(edited.now->revision, 2);
  EXPECT_EQ(edited.now->text, order().text);
  EXPECT_EQ(edited.now->queue, "r");
  EXPECT_EQ(edited.now->failures, 0);
  EXPECT_EQ(edited.now->attempts.size(), 1U);
  EXPECT_EQ(latest_of(*edited.now)->what, "edited");
}

TEST_P(StoreContract, AnAnswerIsWhatItSays) {
  const auto id = next_id_();
  apply(life_cycle::accept(id, order(), to_queue{"q"}, true, times_));
  apply(life_cycle::answer(id, 1, "a text", to_queue{"q"}, true, times_));
  EXPECT_EQ(find(id)->form, content_form::text);
  EXPECT_EQ(find(id)->content_type, "");
  EXPECT_EQ(find(id)->headers, order().headers) << "of the whole conversation";
  content other("AAE=");
  other.form = content_form::bytes;
  other.content_type = "image/png";
  other.headers = std::vector<header>();
  apply(life_cycle::answer(id, 2, other, to_queue{"q"}, true, times_));
  EXPECT_EQ(find(id)->form, content_form::bytes);
  EXPECT_EQ(find(id)->content_type, "image/png");
  EXPECT_TRUE(find(id)->headers.empty());
}

TEST_P(StoreContract, WhateverARowSaysItIsClaimedAndWaits) {
  const auto id = next_id_();
  apply(life_cycle::accept(id, order(), to_queue{"q"}, false, times_));
  EXPECT_THAT(due_ids(), testing::ElementsAre(id));
  EXPECT_EQ(store_->waiting({"q", milliseconds(1'000), 10}).size(), 1U);
  EXPECT_FALSE(store_->due(10).at(0).used_up);
  for (int i = 1; i <= times_.max_claims; ++i) {
    const auto claimed = apply(life_cycle::claim({id, 1}, 1, true));
    ASSERT_TRUE(claimed.applied) << i;
    EXPECT_EQ(claimed.now->max_claims, times_.max_claims);
    pass(100'000);
  }
  EXPECT_FALSE(apply(life_cycle::claim({id, 1}, 1, true)).applied) << "no claims are left";
  EXPECT_TRUE(store_->due(10).at(0).used_up);
}

TEST_P(StoreContract, HeadersCountWhereBytesAreBounded) {
  content said("text");
  said.headers = std::vector<header>{{"name", std::string(1'000, 'x')}};
  for (int i = 0; i < 3; ++i) apply(life_cycle::accept(next_id_(), said, to_queue{"q"}, false, times_));
  EXPECT_THAT(pages_of({.text_bytes_max = 1'500}), testing::ElementsAre(1U, 1U, 1U));
  auto claim = life_cycle::claim({listed_.at(0), 1}, 1, false);
  claim.when.text_bytes_max = 1'000;
  EXPECT_FALSE(apply(claim).applied);
  claim.when.text_bytes_max = 1'100;
  EXPECT_TRUE(apply(claim).applied);
}

TEST_P(StoreContract, AnotherFormOrTypeIsAnotherContent) {
  const auto id = accept("1");
  const auto changes_with = [&](const content& said) {
    return apply(life_cycle::answer(id, {}, said, to_queue{"q"}, true, times_)).applied;
  };
  content one("1");
  EXPECT_FALSE(changes_with(one));
  one.form = content_form::json;
  EXPECT_TRUE(changes_with(one));
  EXPECT_FALSE(changes_with(one));
  one.content_type = "application/json";
  EXPECT_TRUE(changes_with(one));
  EXPECT_FALSE(changes_with(one));
}

TEST_P(StoreContract, TheHolderOfAClaimIsForgottenWithIt) {
  const auto id = accept();
  const auto holder_after = [&](const change& what) {
    EXPECT_TRUE(apply(what).applied);
    return find(id)->holder;
  };
  EXPECT_EQ(holder_after(life_cycle::claim({id, 1}, 1, false, "w")), "w");
  EXPECT_EQ(holder_after(life_cycle::extend({id, 1}, find(id)->claim)), "w");
  EXPECT_EQ(holder_after(life_cycle::release({id, 1}, find(id)->claim)), "");
  holder_after(life_cycle::claim({id, 1}, 1, false, "w"));
  EXPECT_EQ(holder_after(life_cycle::fail(*find(id), find(id)->claim, "no", false, times_)), "");
  pass(100'000);
  holder_after(life_cycle::claim({id, 1}, 1, false, "w"));
  EXPECT_EQ(holder_after(life_cycle::answer(id, 1, "next", to_queue{"q"}, true, times_)), "");
  EXPECT_EQ(holder_after(life_cycle::claim({id, 2}, 1, false)), "") << "who does not tell";
}

TEST_P(StoreContract, WhatIsDoneTellsWhereItWaitedLast) {
  const auto id = accept("Hi, ", "a");
  apply(life_cycle::answer(id, 1, "to b", to_queue{"b"}, true, times_));
  EXPECT_EQ(find(id)->last_queue, "");
  apply(life_cycle::claim({id, 2}, 1, false));
  EXPECT_EQ(find(id)->last_queue, "");
  apply(life_cycle::answer(id, 2, "done", to_done{}, true, times_));
  EXPECT_EQ(find(id)->queue, "");
  EXPECT_EQ(find(id)->last_queue, "b");
}

TEST_P(StoreContract, ItsHistoryTellsWhatBecameOfEachRevision) {
  const auto id = accept("Hi, ", "a \"queue\"");
  const auto accepted = around_.now;
  apply(life_cycle::claim({id, 1}, 1, false, "one\\"));
  EXPECT_TRUE(find(id)->history.empty()) << "a claim is no outcome";
  pass(5);
  apply(life_cycle::fail(*find(id), find(id)->claim, "no", false, times_));
  apply(life_cycle::answer(id, 1, "next", to_queue{"b"}, true, times_));
  apply(life_cycle::cancel(id));
  apply(life_cycle::retry(*find(id)));
  const auto known = history_of(*find(id));
  ASSERT_EQ(known.size(), 4U);
  std::vector<std::string> whats;
  for (const auto& p : known) whats.push_back(std::to_string(p.revision) + " " + p.what + " " + p.queue + " " + p.by);
  EXPECT_THAT(whats, testing::ElementsAre("1 failed a \"queue\" one\\", "1 answered a \"queue\" ", "2 cancelled b ",
                                          "2 retried b "));
  EXPECT_EQ(known[0].at, accepted + milliseconds(5));
}

TEST_P(StoreContract, AHistoryIsBounded) {
  const auto id = accept();
  const auto revisions = static_cast<int>(history_max) + 3;
  for (int i = 1; i <= revisions; ++i)
    apply(life_cycle::answer(id, i, "at " + std::to_string(i), to_queue{"q"}, true, times_));
  const auto known = history_of(*find(id));
  ASSERT_EQ(known.size(), history_max);
  EXPECT_EQ(known.front().revision, 4) << "the oldest go first";
  EXPECT_EQ(known.back().revision, revisions);
}

TEST_P(StoreContract, ItsHistoryTellsWhenARevisionWasRungAndClaimedAndWhoAskedForWhat) {
  const auto id = accept("Hi, ", "q", false);
  const auto accepted = around_.now;
  pass(5);
  apply(life_cycle::ring(store_->due(1).at(0), times_));
  pass(5);
  apply(life_cycle::claim({id, 1}, 77, false, "one"));
  pass(5);
  apply(life_cycle::extend({id, 1}, 77));
  pass(5);
  const auto boss = who_may(right::operate, {"*"});
  apply(life_cycle::answer(id, 1, "next", to_queue{"q"}, true, times_));
  apply(life_cycle::wanted_by(boss, {}, life_cycle::cancel(id)));
  apply(life_cycle::wanted_by(boss, {}, life_cycle::retry(*find(id))));
  const auto known = history_of(*find(id));
  ASSERT_EQ(known.size(), 3U);
  EXPECT_EQ(known[0].rung_at, accepted + milliseconds(5));
  EXPECT_EQ(known[0].claim, 77);
  EXPECT_EQ(known[0].claimed_at, accepted + milliseconds(10)) << "a longer lease is the same claim";
  EXPECT_EQ(known[0].at, accepted + milliseconds(20));
  EXPECT_EQ(known[0].asked_by, "");
  EXPECT_EQ(known[1].claim, 0) << "of the new revision there is none";
  EXPECT_FALSE(known[1].claimed_at);
  EXPECT_EQ(known[1].rung_at, accepted + milliseconds(20)) << "it was to be rung at once";
  EXPECT_EQ(known[1].asked_by, "team_a");
  EXPECT_FALSE(find(id)->rung_at) << "a retry begins anew";
}

TEST_P(StoreContract, WhatARevisionSaidIsKeptWhenAnotherFollows) {
  const auto id = next_id_();
  apply(life_cycle::accept(id, order(), to_queue{"q"}, true, times_));
  EXPECT_THAT(past_texts(id), testing::IsEmpty());
  apply(life_cycle::claim({id, 1}, 1, false));
  apply(life_cycle::answer(id, 1, "two \n \"2\" \\ é \x01", to_queue{"q"}, true, times_));
  apply(life_cycle::answer(id, {}, "three", to_done{}, true, times_));
  EXPECT_FALSE(apply(life_cycle::answer(id, 3, "too late", to_done{}, true, times_)).applied);
  const auto told = opened_->reader->past_of(id);
  ASSERT_TRUE(told.of.now);
  EXPECT_EQ(told.of.now->text, "three");
  EXPECT_FALSE(told.unreadable);
  ASSERT_EQ(told.contents.size(), 2U);
  EXPECT_EQ(told.contents[0].revision, 1);
  EXPECT_EQ(told.contents[0].text, order().text);
  EXPECT_EQ(told.contents[0].form, content_form::json);
  EXPECT_EQ(told.contents[0].content_type, "application/json");
  EXPECT_EQ(told.contents[1].text, "two \n \"2\" \\ é \x01");
  EXPECT_EQ(told.contents[1].form, content_form::text);
  EXPECT_FALSE(opened_->reader->past_of(next_id_()).of.now);
}

TEST_P(StoreContract, TwoAnswersInABatchKeepWhatEachOneFollowed) {
  const auto id = accept("one");
  const std::vector<change> batch{life_cycle::answer(id, {}, "two", to_queue{"q"}, true, times_),
                                  life_cycle::answer(id, {}, "three", to_queue{"q"}, true, times_)};
  store_->apply(batch);
  EXPECT_THAT(past_texts(id), testing::ElementsAre("1 one", "2 two"));
}

TEST_P(StoreContract, OfThePastTheOldestGoesFirst) {
  const std::string text(500, 'a');
  const auto id = accept(text);
  for (int i = 1; i <= 6; ++i) apply(life_cycle::answer(id, i, text, to_queue{"q"}, true, times_));
  EXPECT_THAT(past_texts(id), testing::ElementsAre("4 " + text, "5 " + text, "6 " + text));
}

TEST_P(StoreContract, AContentThatIsTooLargeForThePastCostsNoOther) {
  const auto id = accept("small");
  apply(life_cycle::answer(id, 1, std::string(2'000, 'l'), to_queue{"q"}, true, times_));
  apply(life_cycle::answer(id, 2, "small again", to_queue{"q"}, true, times_));
  apply(life_cycle::answer(id, 3, "last", to_queue{"q"}, true, times_));
  EXPECT_THAT(past_texts(id), testing::ElementsAre("1 small", "3 small again"));
}

TEST_P(StoreContract, AContentThatEscapesMakeLargeCostsThePastOfNoOther) {
  const auto id = accept("small");
  apply(life_cycle::answer(id, 1, std::string(1'500, '"'), to_queue{"q"}, true, times_));
  apply(life_cycle::answer(id, 2, "small again", to_queue{"q"}, true, times_));
  apply(life_cycle::answer(id, 3, "last", to_queue{"q"}, true, times_));
  const auto kept = past_texts(id);
  EXPECT_THAT(kept, testing::Contains("1 small"));
  EXPECT_THAT(kept, testing::Contains("3 small again"));
}

TEST_P(StoreContract, APastOfNoBytesIsNone) {
  around_.past_max_bytes = 0;
  reopen();
  const auto id = accept();
  EXPECT_TRUE(apply(life_cycle::answer(id, 1, "two", to_queue{"q"}, true, times_)).applied);
  EXPECT_THAT(past_texts(id), testing::IsEmpty());
}

TEST_P(StoreContract, WhatIsErasedIsNowhere) {
  const auto id = next_id_();
  apply(life_cycle::accept(id, order(), to_queue{"q"}, true, times_));
  apply(life_cycle::claim({id, 1}, 1, false));
  apply(life_cycle::fail(*find(id), 1, "the secret is 42", false, times_));
  apply(life_cycle::answer(id, 1, "a secret", to_queue{"q"}, true, times_));
  apply(life_cycle::cancel(id));
  const auto ended = around_.now;
  pass(5);
  EXPECT_FALSE(apply(life_cycle::erase(message{.id = id, .revision = 1, .status = status::cancelled})).applied);
  const auto became = apply(life_cycle::wanted_by(who_may(right::operate, {"*"}), {}, life_cycle::erase(*find(id))));
  ASSERT_TRUE(became.applied);
  const auto now = find(id);
  EXPECT_EQ(now->text, "");
  EXPECT_EQ(now->form, content_form::text);
  EXPECT_EQ(now->content_type, "");
  EXPECT_TRUE(now->headers.empty());
  EXPECT_TRUE(now->attempts.empty());
  EXPECT_EQ(now->erased_at, ended + milliseconds(5));
  EXPECT_EQ(now->updated_at, ended) << "it is kept no longer for that";
  EXPECT_EQ(now->status, status::cancelled);
  EXPECT_THAT(past_texts(id), testing::IsEmpty());
  EXPECT_EQ(latest_of(*now)->what, "erased");
  EXPECT_EQ(latest_of(*now)->asked_by, "team_a");
  EXPECT_FALSE(apply(life_cycle::erase(*now)).applied) << "it is so already";
  EXPECT_FALSE(apply(life_cycle::retry(*now)).applied);
}

TEST_P(StoreContract, ThePastIsDeletedWithItsMessage) {
  const auto id = accept();
  apply(life_cycle::answer(id, 1, "done", to_done{}, true, times_));
  pass(10);
  EXPECT_EQ(store_->purge({.kept = milliseconds(1), .dead_kept = milliseconds(1), .limit = 10}).count, 1U);
  EXPECT_THAT(past_texts(id), testing::IsEmpty());
}

TEST_P(StoreContract, ALeaseThatChangesCountsForTheDueThatGoesWithIt) {
  const auto id = accept();
  apply({.id = id, .then = {.due_after_lease = true, .lease = milliseconds(4'321)}});
  EXPECT_EQ(find(id)->due, around_.now + milliseconds(4'321));
}

TEST_P(StoreContract, EveryMemberOfAnEffectCounts) {
  const auto id = accept();
  constexpr auto greatest_claim = claim_number(-2);
  const auto became = apply({.id = id,
                             .then = {.text = "t",
                                      .status = status::dead,
                                      .queue = "z",
                                      .held = true,
                                      .due_in = milliseconds(5),
                                      .new_claim = greatest_claim,
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
  EXPECT_EQ(found->claim, greatest_claim);
  EXPECT_EQ(found->unanswered, 1);
  EXPECT_EQ(found->failures, 1);
  EXPECT_EQ(found->lease, milliseconds(77));
  EXPECT_EQ(found->max_claims, 9);
  ASSERT_EQ(found->attempts.size(), 1U);
  EXPECT_EQ(found->attempts[0].error, "it \"broke\"");
  EXPECT_EQ(found->attempts[0].revision, 2);
  EXPECT_EQ(found->attempts[0].claim, greatest_claim);
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
  apply(life_cycle::claim({id, 1}, 1, false));
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

TEST_P(StoreContract, WaitingFindsWhatCouldBeClaimed) {
  const auto stored = accept("stored", "q", false);
  pass(1);
  const auto rung = accept("rung", "q", true);
  const auto held = accept("held", "q", false);
  accept("elsewhere", "other", false);
  apply(life_cycle::claim({held, 1}, 1, false));
  const auto waiting = [&](std::size_t limit) {
    std::vector<uuid> ids;
    for (const auto& r : store_->waiting({"q", times_.ring_again, limit})) ids.push_back(r.id);
    return ids;
  };
  EXPECT_THAT(waiting(10), testing::ElementsAre(rung, stored)) << "what was rung comes first";
  EXPECT_THAT(waiting(1), testing::ElementsAre(rung));
  EXPECT_THAT(store_->waiting({"q", milliseconds(0), 10}), testing::SizeIs(1)) << "it looks no further ahead";
  pass(99);
  EXPECT_THAT(waiting(10), testing::ElementsAre(rung, stored));
  pass(1);
  EXPECT_THAT(waiting(10), testing::ElementsAre(rung, stored, held)) << "its lease is over";
}

TEST_P(StoreContract, WaitingLeavesOutWhatNobodyMayClaim) {
  const auto expired = next_id_();
  apply(life_cycle::accept(expired, "x", to_queue{"q"}, false, times_, {.expires_at = around_.now + milliseconds(50)}));
  const auto used_up = accept("x", "q", false);
  for (int i = 0; i < times_.max_claims; ++i) {
    apply(life_cycle::claim({used_up, 1}, 1, true));
    pass(100);
  }
  EXPECT_TRUE(find(expired));
  EXPECT_TRUE(store_->waiting({"q", milliseconds(10'000), 10}).empty());
}

TEST_P(StoreContract, MakeAllDueLeavesOutWhatIsHeld) {
  const auto free = accept();
  const auto held = accept();
  const auto done = accept();
  apply(life_cycle::claim({held, 1}, 1, false));
  apply(life_cycle::answer(done, 1, "y", to_done{}, false, times_));
  store_->make_all_due("");
  EXPECT_THAT(due_ids(), testing::ElementsAre(free));
}

TEST_P(StoreContract, MakesABacklogDueWhateverItsSizeAndLengths) {
  std::vector<change> backlog;
  constexpr int small = 2'500, large = 20;  // more than a store takes at a time, in rows and in bytes
  for (int i = 0; i < small; ++i)
    backlog.push_back(life_cycle::accept(next_id_(), "x", to_queue{i % 2 ? "a" : "b"}, true, times_));
  for (int i = 0; i < large; ++i)
    backlog.push_back(life_cycle::accept(next_id_(), std::string(1 << 20, 'x'), to_queue{"a"}, true, times_));
  for (auto& one : backlog) one.text_back = text_back::never;
  store_->apply(backlog);
  std::vector<change> holds;
  for (int i = 0; i < small; i += 5) holds.push_back({.id = backlog[i].id, .then = {.held = true}});
  store_->apply(holds);
  store_->make_all_due("");
  EXPECT_EQ(store_->due(10'000).size(), backlog.size() - holds.size());
  for (const auto& one : store_->due(10'000)) EXPECT_FALSE(one.held);
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

TEST_P(StoreContract, APageOfAListEndsByTheBytesOfItsTexts) {
  const std::vector<uuid> ids{accept("12345"), accept("1234567"), accept("12"), accept("123"), accept("")};
  // Exactly as many bytes as are let through, and one less.
  EXPECT_THAT(pages_of({.text_bytes_max = 12}), testing::ElementsAre(2, 3));
  EXPECT_THAT(pages_of({.text_bytes_max = 11}), testing::ElementsAre(1, 2, 2));
  EXPECT_THAT(pages_of({.text_bytes_max = 100}), testing::ElementsAre(5));
  // The first row comes whatever its size.
  EXPECT_THAT(pages_of({.text_bytes_max = 1}), testing::ElementsAre(1, 1, 1, 1, 1));
  // Whichever bound is met first.
  EXPECT_THAT(pages_of({.limit = 2, .text_bytes_max = 9}), testing::ElementsAre(1, 2, 2, 0));
}

TEST_P(StoreContract, TextsThatDoNotFitAListCountForNothing) {
  const std::string huge = incompressible(300'000);
  std::vector<uuid> wanted;
  for (int i = 0; i < 6; ++i) {
    accept(huge, "others");
    apply({.id = accept(huge, "q"), .then = {.status = status::dead}, .text_back = text_back::never});
    wanted.push_back(accept("é", "q"));
  }
  const list_filter small{.status = status::pending, .queue = "q", .text_bytes_max = 4};
  EXPECT_THAT(pages_of(small), testing::ElementsAre(2, 2, 2));
  EXPECT_THAT(listed_, testing::ElementsAreArray(wanted));
  EXPECT_THAT(pages_of({.status = status::dead, .text_bytes_max = 600'000}), testing::ElementsAre(2, 2, 2));
  EXPECT_THAT(pages_of({.queue = "others", .text_bytes_max = 599'999}), testing::ElementsAre(1, 1, 1, 1, 1, 1));
  EXPECT_THAT(pages_of({.queue = "nowhere", .text_bytes_max = 1}), testing::ElementsAre(0));
}

TEST_P(StoreContract, TheOldestIsOneThatCouldBeWorkedOnNow) {
  const auto oldest = [&]() -> std::optional<timestamp> {
    const auto all = opened_->reader->counts();
    return all.at(0).oldest;
  };
  life_cycle::accept_options later{.deliver_at = around_.now + milliseconds(60'000)};
  ASSERT_TRUE(apply(life_cycle::accept(next_id_(), "later", to_queue{"q"}, true, times_, later)).applied);
  EXPECT_EQ(oldest(), std::nullopt) << "nothing but what is scheduled";
  pass(10);
  const auto worked_on = accept();
  const auto accepted = around_.now;
  apply(life_cycle::claim({worked_on, 1}, 1, false));
  EXPECT_EQ(oldest(), std::nullopt) << "somebody works on the only other one";
  pass(10);
  const auto failed = accept();
  apply(life_cycle::claim({failed, 1}, 1, false));
  apply(life_cycle::fail(*find(failed), 1, "it broke", false, times_));
  EXPECT_EQ(oldest(), std::nullopt) << "in its back-off";
  pass(10);
  accept();  // will be rung again later, and may be claimed at any time
  EXPECT_EQ(oldest(), around_.now);
  pass(80);
  EXPECT_EQ(oldest(), accepted) << "its lease has run out";
  apply({.id = worked_on, .then = {.status = status::dead}});
  EXPECT_EQ(oldest(), accepted + milliseconds(20));
}

TEST_P(StoreContract, CountsWhatAnOwnerHasPendingUpToABound) {
  const auto post = [&](const std::string& owner) {
    life_cycle::accept_options options;
    options.owner = owner;
    return apply(life_cycle::accept(next_id_(), "x", to_queue{"q"}, true, times_, options)).now->id;
  };
  post("shop");
  post("shop");
  post("other");
  accept();  // nobody's
  apply({.id = post("shop"), .then = {.status = status::dead}});
  const auto pending_of = [&](const char* owner, std::size_t at_most) {
    return opened_->reader->pending_of(owner, at_most);
  };
  EXPECT_EQ(pending_of("shop", 10), 2U);
  EXPECT_EQ(pending_of("shop", 1), 1U);
  EXPECT_EQ(pending_of("shop", 0), 0U);
  EXPECT_EQ(pending_of("other", 10), 1U);
  EXPECT_EQ(pending_of("nobody", 10), 0U);
  EXPECT_EQ(pending_of("", 10), 0U);
}

TEST_P(StoreContract, CountsWhatWaitsInAQueueAndWhatDiedThere) {
  accept("the oldest", "q");
  const auto accepted = around_.now;
  apply(life_cycle::claim({accept("held until its lease was over", "q"), 1}, 1, false));
  pass(1'500);
  accept("due later", "q");
  apply(life_cycle::claim({accept("held", "q"), 1}, 1, false));
  apply({.id = accept("dead", "r"), .then = {.status = status::dead}});
  apply(life_cycle::answer(accept("done", "s"), 1, "", to_done{}, false, times_));
  const auto all = opened_->reader->counts();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].queue, "q");
  EXPECT_EQ(all[0].pending, 4U);
  EXPECT_EQ(all[0].due, 2U);
  EXPECT_EQ(all[0].held, 1U);
  EXPECT_EQ(all[0].dead, 0U);
  EXPECT_EQ(all[0].oldest, accepted);
  EXPECT_EQ(all[1].queue, "r");
  EXPECT_EQ(all[1].pending, 0U);
  EXPECT_EQ(all[1].dead, 1U);
}

TEST_P(StoreContract, TheRowsBeforeOneAreThoseThatALookTellsFirst) {
  apply(life_cycle::claim({accept("held"), 1}, 1, false));
  const auto failed = accept("in its back-off");
  apply(life_cycle::claim({failed, 1}, 2, false));
  apply(life_cycle::fail(*find(failed), 2, "it broke", false, times_));
  accept("in another queue", "r");
  for (const bool rings_now : {false, true, false, true, true}) {
    pass(1);
    accept("waits", "q", rings_now);
  }
  accept("in the same millisecond");
  pass(1);
  const waiting_request all{.queue = "q", .ring_again = times_.ring_again, .limit = 100};
  const auto told = store_->waiting(all);
  ASSERT_EQ(told.size(), 6U);
  std::vector<std::size_t> before;
  for (const auto& r : told)
    before.push_back(opened_->reader->place_of({r.id, "q", r.due, times_.ring_again, 100}).before);
  std::sort(before.begin(), before.end());
  EXPECT_THAT(before, testing::ElementsAre(0, 1, 2, 3, 4, 5));
  const auto& last = told.back();
  EXPECT_EQ(opened_->reader->place_of({last.id, "q", last.due, times_.ring_again, 100}).before, 5U) << "it comes last";
  EXPECT_EQ(opened_->reader->place_of({last.id, "q", last.due, times_.ring_again, 3}).before, 3U)
      << "no more are counted";
}

TEST_P(StoreContract, WhoHoldsClaimsInAQueueIsTold) {
  const auto claimed_by = [&](const char* holder, std::int64_t number, const std::string& queue = "q") {
    apply(life_cycle::claim({accept("held", queue), 1}, number, false, holder));
  };
  claimed_by("its lease is over", 1);
  pass(200);
  claimed_by("b", 2);
  claimed_by("a", 3);
  claimed_by("b", 4);
  claimed_by("", 5);
  claimed_by("elsewhere", 6, "r");
  const auto failed = accept("in its back-off");
  apply(life_cycle::claim({failed, 1}, 7, false, "over"));
  apply(life_cycle::fail(*find(failed), 7, "it broke", false, times_));
  life_cycle::accept_options later{.deliver_at = around_.now + milliseconds(10)};
  apply(life_cycle::accept(next_id_(), "later", to_queue{"q"}, true, times_, later));
  accept();
  const auto told = opened_->reader->place_of({{}, "q", around_.now, times_.ring_again, 100});
  EXPECT_THAT(told.holders, testing::ElementsAre("", "a", "b"));
}

TEST_P(StoreContract, PurgesWhatHasBeenTerminalForLongEnough) {
  const auto done = accept(), dead = accept(), pending = accept();
  apply({.id = done, .then = {.status = status::done}});
  apply({.id = dead, .then = {.status = status::dead}});
  const purge_request old{.kept = milliseconds(1'000), .dead_kept = milliseconds(2'000), .limit = 10};
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

TEST_P(StoreContract, PurgesTextsOfALimitedSizeAtATime) {
  std::vector<uuid> done;
  for (const auto* text : {"123", "1234567890", "12", "12", "12"}) {
    accept("pending, and never deleted");
    done.push_back(accept(text));
    apply({.id = done.back(), .then = {.status = status::done}});
  }
  pass(10);
  purge_request some{.kept = milliseconds(1), .dead_kept = milliseconds(1), .limit = 10, .text_bytes_max = 4};
  std::vector<std::size_t> counts;
  for (std::optional<uuid> next = uuid{}; next;) {
    some.after = *next;
    const auto gone = store_->purge(some);
    counts.push_back(gone.count);
    next = gone.next;
  }
  EXPECT_THAT(counts, testing::ElementsAre(2, 2, 1)) << "the one that meets the bound goes too";
  EXPECT_EQ(opened_->reader->list({}).rows.size(), 5U);
}

TEST_P(StoreContract, KeepsEverythingOverAReopening) {
  if (!GetParam().keeps) GTEST_SKIP() << "keeps nothing by design";
  const auto id = accept();
  apply(life_cycle::claim({id, 1}, 1, false));
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
  apply(life_cycle::claim({id, 1}, 1, false));
  EXPECT_EQ(find(id)->text, large);
}

TEST_P(StoreContract, AnEmptyBatchIsFine) {
  EXPECT_TRUE(store_->apply({}).empty());
  EXPECT_TRUE(store_->find({}, true).empty());
}

INSTANTIATE_TEST_SUITE_P(Drivers, StoreContract,
                         testing::Values(driver{"sqlite", true,
                                                [](surroundings& around) {
                                                  return message_store::open_sqlite(
                                                      {(around.folder.path / "amc.db").string(),
                                                       [&around] { return around.now; }, around.past_max_bytes});
                                                }},
                                         driver{"postgresql", true,
                                                [](surroundings& around) {
                                                  if (!around.database)
                                                    around.database = std::make_unique<tests::postgresql_database>();
                                                  auto options =
                                                      message_store::postgresql_options_from(tests::configured());
                                                  options.url = around.database->url();
                                                  options.now = [&around] { return around.now; };
                                                  options.connections = 1;
                                                  options.past_max_bytes = around.past_max_bytes;
                                                  return message_store::open_postgresql(options);
                                                }},
                                         driver{"memory", false,
                                                [](surroundings& around) {
                                                  auto opened = tests::open_memory([&around] { return around.now; });
                                                  static_cast<tests::memory_store&>(*opened.drivers[0]).past_max_bytes =
                                                      around.past_max_bytes;
                                                  return opened;
                                                }}),
                         [](const auto& suite) { return suite.param.name; });

}  // namespace
}  // namespace amc
