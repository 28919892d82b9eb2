#include <sqlite3.h>

#include <algorithm>

#include "message_store/sqlite/sqlite.hpp"
#include "tests/support/damaged_rows.hpp"
#include "tests/support/temporary_folder.hpp"

/// A row that holds what AMC never writes costs that row alone.
namespace amc {
namespace {

using testing::Contains;
using testing::HasSubstr;
namespace life_cycle = broker::life_cycle;

class SqliteRows : public tests::damaged_rows {
 protected:
  SqliteRows() { open(); }
  ~SqliteRows() override { opened_ = {}; }

  void open() {
    opened_ = {};
    use(message_store::open_sqlite({path_, [this] { return now_; }}));
  }
  /// As somebody does with a tool, while nobody uses the file.
  void set(const uuid& id, const std::string& values) {
    opened_ = {};
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    std::string hex = to_string(id);
    std::erase(hex, '-');
    const auto sql = "UPDATE message SET " + values + " WHERE id = X'" + hex + "'";
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    EXPECT_EQ(sqlite3_changes(db), 1);
    sqlite3_close(db);
    open();
  }

  tests::temporary_folder folder_;
  std::string path_ = (folder_.path / "amc.db").string();
};

using fault = tests::row_damage;

const std::vector<fault> faults{
    {"AttemptsAreNoJson", "attempts = 'oops'", "attempts"},
    {"AttemptsAreNoList", "attempts = '{}'", "attempts"},
    {"AttemptsLackMembers", "attempts = '[{}]'", "attempts"},
    {"AttemptsAreTooLarge", R"(attempts = '[{"revision":3000000000,"claim":1,"at":1,"error":""}]')", "attempts"},
    {"AttemptsAreLongAgo", R"(attempts = '[{"revision":1,"claim":1,"at":-9000000000000000000,"error":""}]')",
     "attempts"},
    {"AttemptsAreBytes", "attempts = X'5b5d'", "attempts"},
    {"StatusIsUnknown", "status = 'odd'", "status"},
    {"StatusIsEmpty", "status = ''", "status"},
    {"RevisionIsNegative", "revision = -1", "revision"},
    {"RevisionIsTooLarge", "revision = 2147483648", "revision"},
    {"RevisionIsAText", "revision = 'x'", "revision"},
    {"RevisionIsBroken", "revision = 1.5", "revision"},
    {"HeldIsNeither", "held = 7", "held"},
    {"DueIsAText", "due = 'soon'", "due"},
    {"DueIsAfterAllTime", "due = 9223372036854775807", "due"},
    {"CreatedBeforeAllTime", "created_at = -9223372036854775807", "created_at"},
    {"LeaseIsNegative", "lease = -5", "lease"},
    {"ClaimIsBytes", "claim = X'01'", "claim"},
    {"FailuresAreNegative", "failures = -1", "failures"},
    {"FormIsUnknown", "form = 'yaml'", "form"},
    {"HeadersAreNoList", R"(headers = '{"a":"b"}')", "headers"},
    {"HeadersLackTexts", "headers = '[[\"a\",1]]'", "headers"},
    {"HistoryIsBytes", "history = X'5b'", "history"},
    {"ExpiresAtSomeText", "expires_at = 'never'", "expires_at"},
    {"QueueIsBytes", "queue = X'ff'", "queue"},
    {"QueueIsNoUtf8", "queue = CAST(X'71ff' AS TEXT)", "queue"},
    {"TextIsNoUtf8", "text = CAST(X'c3' AS TEXT)", "text"},
    {"TextIsBytes", "text = X'48'", "text"},
    {"TraceIsNoUtf8", "traceparent = CAST(X'eda080' AS TEXT)", "traceparent"},
};

class SqliteRowFault : public SqliteRows, public testing::WithParamInterface<fault> {};

INSTANTIATE_TEST_SUITE_P(All, SqliteRowFault, testing::ValuesIn(faults), [](const auto& of) { return of.param.name; });

TEST_P(SqliteRowFault, CostsThatRowAlone) {
  const auto before = accept(), bad = accept(), after = accept();
  set(bad, GetParam().values);
  const std::vector<uuid> ids{before, bad, after, next_id_()};
  const auto found = store_->find(ids, true);
  EXPECT_TRUE(found.at(0).now);
  EXPECT_TRUE(found.at(1).unreadable);
  EXPECT_EQ(found.at(1).now, nullptr);
  EXPECT_TRUE(found.at(2).now);
  EXPECT_FALSE(found.at(3).unreadable);
  // Whatever comes next is of the row that is asked for.
  EXPECT_EQ(find(after).now->id, after);

  const std::vector<change> claims{life_cycle::claim({before, 1, {}}, 1, false),
                                   life_cycle::claim({bad, 1, {}}, 1, false),
                                   life_cycle::claim({after, 1, {}}, 1, false)};
  const auto became = store_->apply(claims);
  EXPECT_TRUE(became.at(0).applied);
  EXPECT_TRUE(became.at(1).unreadable);
  EXPECT_FALSE(became.at(1).applied);
  EXPECT_TRUE(became.at(2).applied);
  EXPECT_EQ(find(after).now->claim, 1);

  EXPECT_THAT(listed(), testing::ElementsAre(before, after));
  const auto counts = opened_.reader->counts();
  EXPECT_TRUE(
      std::any_of(counts.begin(), counts.end(), [](const auto& q) { return q.queue == "q" && q.pending >= 2; }));

  EXPECT_TRUE(opened_.reader->past_of(bad).of.unreadable);

  EXPECT_EQ(told_of(bad).size(), 1U) << "it is told once";
  EXPECT_THAT(told_, Contains(testing::AllOf(HasSubstr(to_string(bad)), HasSubstr(GetParam().column + ": "))));
}

TEST_P(SqliteRowFault, HoldsUpNothingThatIsDue) {
  std::vector<uuid> bad;
  for (int i = 0; i < 3; ++i) bad.push_back(accept());
  for (const auto& id : bad) set(id, GetParam().values);
  now_ += milliseconds(1'000);
  const auto good = accept();
  now_ += milliseconds(1'000);
  // As the sweeper does, with as little room as can be.
  bool rung = false;
  for (int look = 0; look < 10 && !rung; ++look)
    for (const auto& row : store_->due(1)) {
      const auto became = apply(life_cycle::ring(row, tests::default_rules()));
      const bool text_is_damaged = GetParam().column == "text";  // which a ring does not read
      EXPECT_EQ(became.unreadable, row.id != good && !text_is_damaged);
      rung = rung || (became.applied && row.id == good);
    }
  EXPECT_TRUE(rung);
}

TEST_P(SqliteRowFault, HoldsUpNoPurge) {
  std::vector<uuid> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(accept());
  for (const auto& id : ids) apply(life_cycle::cancel(id));
  for (int i = 0; i < 5; ++i) set(ids[i], GetParam().values);
  now_ += std::chrono::days(60);
  purge_request what{.kept = std::chrono::days(7), .dead_kept = std::chrono::days(30), .limit = 2};
  int looks = 0;
  for (bool more = true; more; ++looks) {
    ASSERT_LT(looks, 10) << "it goes round in a circle";
    const auto done = store_->purge(what);
    more = done.next.has_value();
    what.after = done.next.value_or(uuid{});
  }
  EXPECT_FALSE(find(ids.back()).now);
}

TEST_F(SqliteRows, AnIdOfAnotherSizeHoldsUpNobody) {
  const auto bad = accept(), good = accept();
  set(bad, "id = X'0102'");
  now_ += milliseconds(1'000);
  EXPECT_THAT(listed(), testing::ElementsAre(good));
  EXPECT_EQ(opened_.reader->counts().at(0).pending, 2U);
  std::vector<uuid> due;
  for (const auto& row : store_->due(10)) due.push_back(row.id);
  EXPECT_THAT(due, testing::ElementsAre(good));
  EXPECT_THAT(told_, Contains(HasSubstr("X'0102'")));
  EXPECT_NO_THROW(store_->purge({.limit = 1}));
}

TEST_F(SqliteRows, AKeyWhoseRowCannotBeReadCostsItsRequestAlone) {
  const idempotency once{"key", "print", std::chrono::days(1)};
  const auto bad = accept(once);
  set(bad, "attempts = 'oops'");
  auto again = life_cycle::accept(next_id_(), "Hi, ", life_cycle::to_queue{"q"}, true, tests::default_rules());
  again.then.once = once;
  const auto other = life_cycle::accept(next_id_(), "Hi, ", life_cycle::to_queue{"q"}, true, tests::default_rules());
  const std::vector<change> batch{again, other};
  const auto became = store_->apply(batch);
  EXPECT_TRUE(became.at(0).unreadable);
  EXPECT_TRUE(became.at(1).applied);
  EXPECT_FALSE(find(again.id).now);
  EXPECT_EQ(told_of(bad).size(), 1U);
}

TEST_F(SqliteRows, AChangeThatTheTableRefusesCostsThatChangeAlone) {
  const auto one = accept(), two = accept();
  set(one,
      "queue = queue; CREATE TRIGGER no BEFORE UPDATE ON message WHEN NEW.failures > 0 AND NEW.id = OLD.id "
      "BEGIN SELECT RAISE(ABORT, 'no failures here'); END; UPDATE message SET queue = queue");
  change failing{.id = one, .then = {.failures = effect::count::one_more}};
  change healthy{.id = two, .then = {.due_in = milliseconds(5)}};
  const std::vector<change> batch{failing, healthy};
  const auto became = store_->apply(batch);
  EXPECT_FALSE(became.at(0).applied);
  EXPECT_THAT(became.at(0).unfit.value_or(""), HasSubstr("no failures here"));
  EXPECT_TRUE(became.at(1).applied);
  EXPECT_EQ(find(one).now->failures, 0);
}

TEST_F(SqliteRows, ARowThatCannotBeDeletedHoldsUpNoPurge) {
  const auto kept = accept(), gone = accept();
  for (const auto& id : {kept, gone}) apply(life_cycle::cancel(id));
  set(kept,
      "queue = queue; CREATE TRIGGER no BEFORE DELETE ON message WHEN OLD.failures = 7 "
      "BEGIN SELECT RAISE(ABORT, 'not this one'); END; UPDATE message SET failures = 7");
  now_ += std::chrono::days(60);
  store_->purge({.kept = std::chrono::days(7), .dead_kept = std::chrono::days(30), .limit = 10});
  EXPECT_TRUE(find(kept).now);
  EXPECT_FALSE(find(gone).now);
  EXPECT_THAT(told_, Contains(testing::AllOf(HasSubstr(to_string(kept)), HasSubstr("not this one"))));
}

TEST_F(SqliteRows, WhatSomebodyHasMendedIsReadAgain) {
  const auto id = accept();
  set(id, "attempts = 'oops'");
  EXPECT_TRUE(find(id).unreadable);
  set(id, "attempts = '[]'");
  EXPECT_TRUE(find(id).now);
}

}  // namespace
}  // namespace amc
