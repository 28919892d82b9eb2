#include "message_store/postgresql/postgresql.hpp"
#include "tests/support/damaged_rows.hpp"
#include "tests/support/postgresql.hpp"

/// A row that holds what AMC never writes costs that row alone. The types of its columns leave less room for that than
/// SQLite's.
namespace amc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace life_cycle = broker::life_cycle;

class PostgresqlRows : public tests::damaged_rows {
 protected:
  PostgresqlRows() {
    auto options = message_store::postgresql_options_from(tests::configured());
    options.url = database_.url();
    options.connections = 1;
    options.now = [this] { return now_; };
    use(message_store::open_postgresql(options));
  }
  ~PostgresqlRows() override { opened_ = {}; }

  /// As somebody does with a tool.
  void set(const uuid& id, const std::string& values) const {
    database_.execute("UPDATE amc_message SET " + values + " WHERE id = '" + to_string(id) + "'");
  }
  std::vector<uuid> due(std::size_t limit) {
    std::vector<uuid> ids;
    for (const auto& r : store_->due(limit)) ids.push_back(r.id);
    return ids;
  }

  tests::postgresql_database database_;
};

using fault = tests::row_damage;

const std::vector<fault> faults{
    {"AttemptsAreNoList", "attempts = '{}'", "attempts"},
    {"AttemptsLackMembers", "attempts = '[{}]'", "attempts"},
    {"AttemptsAreTooLarge", R"(attempts = '[{"revision":3000000000,"claim":1,"at":1,"error":""}]')", "attempts"},
    {"StatusIsUnknown", "status = 'odd'", "status"},
    {"RevisionIsNegative", "revision = -1", "revision"},
    {"DueBeforeAllTime", "due = -9223372036854775807", "due"},
    {"LeaseIsNegative", "lease = -5", "lease"},
    {"FormIsUnknown", "form = 'yaml'", "form"},
    {"HeadersAreNoList", R"(max_claims = -max_claims, headers = '{"a":"b"}')", "headers"},
    {"HeadersLackTexts", "max_claims = -max_claims, headers = '[[\"a\",1]]'", "headers"},
    {"ExpiresAfterAllTime", "expires_at = 9223372036854775807", "expires_at"},
};

class PostgresqlRowFault : public PostgresqlRows, public testing::WithParamInterface<fault> {};

INSTANTIATE_TEST_SUITE_P(All, PostgresqlRowFault, testing::ValuesIn(faults),
                         [](const auto& of) { return of.param.name; });

TEST_P(PostgresqlRowFault, CostsThatRowAlone) {
  const auto before = accept(), bad = accept(), after = accept();
  set(bad, GetParam().values);
  const std::vector<uuid> ids{before, bad, after};
  const auto found = store_->find(ids, true);
  EXPECT_TRUE(found.at(0).now);
  EXPECT_TRUE(found.at(1).unreadable);
  EXPECT_EQ(found.at(1).now, nullptr);
  EXPECT_TRUE(found.at(2).now);

  std::vector<change> batch;
  for (const auto& id : ids) batch.push_back({.id = id, .then = {.held = true}});
  const auto became = store_->apply(batch);
  EXPECT_TRUE(became.at(0).applied);
  EXPECT_TRUE(became.at(1).unreadable);
  EXPECT_FALSE(became.at(1).applied);
  EXPECT_TRUE(became.at(2).applied);

  EXPECT_THAT(listed(), ElementsAre(before, after));
  EXPECT_GE(opened_.reader->counts().at(0).pending, 2U);
  EXPECT_THAT(told_of(bad), ElementsAre(HasSubstr("cannot be read: " + GetParam().column + ": "))) << "once";
}

TEST_F(PostgresqlRows, WhatCannotBeReadTakesNoPlaceOfWhatIsDue) {
  const auto bad = accept();
  set(bad, "unanswered = -1");
  now_ += milliseconds(1'000);
  const auto good = accept();
  now_ += std::chrono::days(1);
  // As the sweeper does, with as little room as can be.
  due(1);
  EXPECT_THAT(due(1), ElementsAre(good));
  EXPECT_EQ(told_of(bad).size(), 1U);
}

TEST_F(PostgresqlRows, AKeyWhoseRowCannotBeReadCostsItsRequestAlone) {
  const idempotency once{"key", "print", std::chrono::days(1)};
  const auto bad = accept(once);
  set(bad, "status = 'odd'");
  auto again = life_cycle::accept(next_id_(), "Hi, ", life_cycle::to_queue{"q"}, true, {});
  again.then.once = once;
  const auto other = life_cycle::accept(next_id_(), "Hi, ", life_cycle::to_queue{"q"}, true, {});
  const std::vector<change> batch{again, other};
  const auto became = store_->apply(batch);
  EXPECT_TRUE(became.at(0).unreadable);
  EXPECT_TRUE(became.at(1).applied);
  EXPECT_FALSE(find(again.id).now);
}

TEST_F(PostgresqlRows, AChangeThatTheRowsValuesRefuseCostsThatChangeAlone) {
  const auto bad = accept(), good = accept();
  set(bad, "attempts = '{}'");
  std::vector<change> batch;
  for (const auto& id : {bad, good}) batch.push_back({.id = id, .then = {.error = "failed"}});
  const auto became = store_->apply(batch);
  EXPECT_TRUE(became.at(0).unfit);
  EXPECT_TRUE(became.at(1).applied);
}

TEST_F(PostgresqlRows, ADamagedPastIsToldAsFarAsItCanBeRead) {
  const auto id = accept();
  apply(life_cycle::answer(id, 1, "two", life_cycle::to_done{}, true, tests::default_rules()));
  set(id, R"(history = E'oops\n[1]\n' || history || '[', past = E'[7,"yaml","",""]\n[1,"","","one"]\n{}\n')");
  const auto told = opened_.reader->past_of(id);
  ASSERT_TRUE(told.of.now);
  EXPECT_TRUE(told.unreadable);
  ASSERT_EQ(told.contents.size(), 1U);
  EXPECT_EQ(told.contents[0].text, "one");
  std::size_t unreadable = 0;
  EXPECT_EQ(history_of(*told.of.now, unreadable).size(), 1U);
  EXPECT_EQ(unreadable, 3U);
  EXPECT_FALSE(latest_of(*told.of.now));
}

TEST_F(PostgresqlRows, WhatSomebodyHasMendedIsReadAgain) {
  const auto id = accept();
  set(id, "attempts = '{}'");
  EXPECT_TRUE(find(id).unreadable);
  set(id, "attempts = '[]'");
  EXPECT_TRUE(find(id).now);
  now_ += std::chrono::days(1);
  EXPECT_THAT(due(1), ElementsAre(id));
}

}  // namespace
}  // namespace amc
