#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "broker/life_cycle.hpp"
#include "core/uuid_source.hpp"
#include "message_store/postgresql/postgresql.hpp"
#include "tests/support/postgresql.hpp"

/// What PostgreSQL's store does beside the contract.
namespace amc {
namespace {

using broker::life_cycle::to_queue;
namespace life_cycle = broker::life_cycle;

class PostgresqlStore : public testing::Test {
 protected:
  std::unique_ptr<store> open() {
    message_store::postgresql_options options;
    options.url = database_.url();
    options.connections = 1;
    return std::move(message_store::open_postgresql(options).drivers.at(0));
  }
  static std::string complaint(const std::string& url) {
    try {
      message_store::postgresql_options options;
      options.url = url;
      message_store::open_postgresql(options);
    } catch (const startup_error& failed) {
      return failed.what();
    } catch (const unavailable& failed) {
      return (failed.why() == unavailable::reason::refused ? "refused: " : "away: ") + std::string(failed.what());
    }
    return "no complaint";
  }

  tests::postgresql_database database_;
  life_cycle::policy times_{};
};

TEST_F(PostgresqlStore, OfManyThatAnswerOneRevisionExactlyOneWins) {
  const auto id = system_uuid_source()();
  const std::vector<change> first{life_cycle::accept(id, "Hi, ", to_queue{"q"}, true, times_)};
  open()->apply(first);
  std::atomic<int> wins = 0;
  std::vector<std::thread> rivals;
  for (int i = 0; i < 4; ++i)
    rivals.emplace_back([&] {
      const auto own = open();
      for (int revision = 1; revision <= 50;) {
        const std::vector<change> next{
            life_cycle::answer(id, revision, "at " + std::to_string(revision), to_queue{"q"}, true, times_)};
        const auto became = own->apply(next).at(0);
        wins += became.applied;
        revision = became.applied ? revision + 1 : std::max(revision, became.now->revision);
      }
    });
  for (auto& rival : rivals) rival.join();
  const std::vector<uuid> ids{id};
  EXPECT_EQ(open()->find(ids).at(0).now->revision, 51);
  EXPECT_EQ(wins, 50) << "each revision was answered once";
}

TEST_F(PostgresqlStore, BatchesOverTheSameRowsInAnyOrderDoNotDeadlock) {
  std::vector<uuid> ids;
  auto next_id = system_uuid_source();
  std::vector<change> inserts;
  for (int i = 0; i < 50; ++i) {
    ids.push_back(next_id());
    inserts.push_back(life_cycle::accept(ids.back(), "x", to_queue{"q"}, true, times_));
  }
  open()->apply(inserts);
  std::vector<std::thread> rivals;
  for (int i = 0; i < 4; ++i)
    rivals.emplace_back([&, i] {
      const auto own = open();
      for (int round = 0; round < 10; ++round) {
        std::vector<change> batch;
        for (std::size_t k = 0; k < ids.size(); ++k)
          batch.push_back({.id = ids[(i % 2) ? k : ids.size() - 1 - k], .then = {.new_claim = true}});
        own->apply(batch);
      }
    });
  for (auto& rival : rivals) rival.join();
  for (const auto& found : open()->find(ids)) EXPECT_EQ(found.now->claim, 40);
}

TEST_F(PostgresqlStore, AConnectionThatWasCutWhileIdleCostsNobodyARequest) {
  const auto own = open();
  EXPECT_TRUE(own->due(10).empty());
  database_.execute(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
      "WHERE application_name = 'amc store' AND datname = current_database()");
  EXPECT_TRUE(own->due(10).empty());
}

TEST_F(PostgresqlStore, ManyOpenersAtOnceMakeTheTablesOnce) {
  std::vector<std::thread> openers;
  std::atomic<int> opened = 0;
  for (int i = 0; i < 5; ++i)
    openers.emplace_back([&] {
      open();
      ++opened;
    });
  for (auto& opener : openers) opener.join();
  EXPECT_EQ(opened, 5);
}

TEST_F(PostgresqlStore, ANewerSchemaIsRefused) {
  open();
  database_.execute("UPDATE amc_schema SET version = 999");
  EXPECT_THAT(complaint(database_.url()), testing::HasSubstr("newer version (schema 999"));
}

TEST_F(PostgresqlStore, WhatCannotBeReachedIsAwayAndToldWithoutThePassword) {
  EXPECT_THAT(complaint("postgresql://amc:secret@127.0.0.1:1/none"),
              testing::AllOf(testing::StartsWith("away"), testing::HasSubstr("postgresql://amc:***@127.0.0.1:1/none"),
                             testing::Not(testing::HasSubstr("secret"))));
}

TEST_F(PostgresqlStore, ADatabaseThatDoesNotExistIsTold) {
  EXPECT_THAT(complaint(database_.url() + "_not"),
              testing::AllOf(testing::StartsWith("refused"), testing::HasSubstr("does not exist (3D000)")));
}

}  // namespace
}  // namespace amc
