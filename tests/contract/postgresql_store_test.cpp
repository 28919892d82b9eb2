#include <gmock/gmock.h>

#include <atomic>
#include <optional>
#include <random>
#include <thread>

#include "broker/life_cycle.hpp"
#include "core/uuid_source.hpp"
#include "message_store/postgresql/postgresql.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/postgresql.hpp"
#include "tests/support/raw_http.hpp"

/// What PostgreSQL's store does beside the contract.
namespace amc {
namespace {

using broker::life_cycle::to_queue;
namespace life_cycle = broker::life_cycle;

class PostgresqlStore : public testing::Test {
 protected:
  std::unique_ptr<store> open() {
    auto options = message_store::postgresql_options_from(tests::configured());
    options.url = database_.url();
    options.connections = 1;
    return std::move(message_store::open_postgresql(options).drivers.at(0));
  }
  static std::string complaint(const std::string& url) {
    try {
      auto options = message_store::postgresql_options_from(tests::configured());
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
  life_cycle::policy times_ = tests::default_rules();
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
  EXPECT_EQ(open()->find(ids, true).at(0).now->revision, 51);
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
          batch.push_back(
              {.id = ids[(i % 2) ? k : ids.size() - 1 - k], .then = {.unanswered = effect::count::one_more}});
        own->apply(batch);
      }
    });
  for (auto& rival : rivals) rival.join();
  for (const auto& found : open()->find(ids, true)) EXPECT_EQ(found.now->unanswered, 40);
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

TEST_F(PostgresqlStore, AFaultOfOneRowCostsOnlyThatRow) {
  const auto own = open();
  // By a constraint, by a trigger, and only at the commit.
  database_.execute(R"sql(
ALTER TABLE amc_message ADD CONSTRAINT polite CHECK (text NOT LIKE '%rude%');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'not this one'; END$$;
CREATE TRIGGER refuse_at_once BEFORE UPDATE ON amc_message FOR EACH ROW WHEN (NEW.text = 'unwanted')
  EXECUTE FUNCTION refuse();
CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT ON amc_message DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.text = 'late') EXECUTE FUNCTION refuse();
)sql");
  auto next_id = system_uuid_source();
  std::vector<change> batch;
  for (int i = 0; i < 105; ++i) batch.push_back(life_cycle::accept(next_id(), "Hi, ", to_queue{"q"}, true, times_));
  const auto accept = [&](const std::string& text) {
    return life_cycle::accept(next_id(), text, to_queue{"q"}, true, times_);
  };
  const auto answer = [&](std::size_t at, int revision, const std::string& text) {
    return life_cycle::answer(batch[at].id, revision, text, to_queue{"q"}, true, times_);
  };
  batch[3] = accept("rude");
  batch[90] = accept("late");
  batch.push_back(answer(1, 1, "next"));
  batch.push_back(answer(1, 2, "unwanted"));
  batch.push_back(answer(1, 2, "last"));
  std::string long_name;  // longer than an index takes, and nothing that could be compressed
  for (std::minstd_rand random; long_name.size() < 9'000;) long_name += static_cast<char>('a' + random() % 26);
  batch.push_back(life_cycle::accept(next_id(), "x", to_queue{long_name}, true, times_));
  const auto became = own->apply(batch);
  ASSERT_EQ(became.size(), batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const bool unfit = i == 3 || i == 90 || i == 106 || i == 108;
    EXPECT_EQ(became[i].applied, !unfit) << i;
    EXPECT_EQ(became[i].unfit.has_value(), unfit) << i;
  }
  EXPECT_THAT(*became[3].unfit, testing::AllOf(testing::HasSubstr("polite"), testing::HasSubstr("(23514)")));
  EXPECT_EQ(became[107].now->revision, 3) << "changes of one row stay in their order";
}

TEST_F(PostgresqlStore, WhatIsNotKnownOfALaterPartOfABatchIsSaid) {
  const auto own = open();
  auto next_id = system_uuid_source();
  std::vector<change> batch;
  for (const auto* text : {"unfit", "full"})
    batch.push_back(life_cycle::accept(next_id(), text, to_queue{"q"}, true, times_));
  database_.execute(R"sql(
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF NEW.text = 'full' THEN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END IF;
  RAISE EXCEPTION 'not this one';
END$$;
CREATE TRIGGER refuse BEFORE INSERT ON amc_message FOR EACH ROW EXECUTE FUNCTION refuse();
)sql");
  EXPECT_THROW(
      try { own->apply(batch); } catch (const unavailable& failed) {
        EXPECT_EQ(failed.why(), unavailable::reason::outcome_unknown) << "the first part may have been committed";
        EXPECT_THAT(failed.what(), testing::HasSubstr("no room"));
        throw;
      },
      unavailable);
}

TEST_F(PostgresqlStore, WhatTheServerSaysAtLengthIsCutBetweenCharacters) {
  const auto own = open();
  database_.execute(R"sql(
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  RAISE EXCEPTION '%', 'x' || repeat('é', 1000);
END$$;
CREATE TRIGGER refuse BEFORE INSERT ON amc_message FOR EACH ROW EXECUTE FUNCTION refuse();
)sql");
  const std::vector<change> batch{life_cycle::accept(system_uuid_source()(), "x", to_queue{"q"}, true, times_)};
  EXPECT_THAT(own->apply(batch).at(0).unfit.value_or(""), testing::EndsWith("éé… (P0001)"));
}

TEST_F(PostgresqlStore, StatementsThatGetLostAreSentWithEachCall) {
  const auto own = open();
  database_.execute(R"sql(
CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN NEW; END$$;
CREATE TRIGGER forget BEFORE INSERT ON amc_message FOR EACH ROW EXECUTE FUNCTION forget();
)sql");
  auto next_id = system_uuid_source();
  for (int i = 0; i < 3; ++i) {
    const std::vector<change> batch{life_cycle::accept(next_id(), "x", to_queue{"q"}, true, times_)};
    EXPECT_TRUE(own->apply(batch).at(0).applied);
    EXPECT_TRUE(own->find(std::vector<uuid>{batch[0].id}, true).at(0).now);
  }
}

TEST_F(PostgresqlStore, AListThatFindsNothingInALongLookGoesOnFromItsEnd) {
  auto options = message_store::postgresql_options_from(tests::configured());
  options.url = database_.url();
  const auto opened = message_store::open_postgresql(options);
  database_.execute(
      "INSERT INTO amc_message (id, revision, status, queue, due, held, claim, unanswered, failures, created_at, "
      "updated_at, text) SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 1, 'pending', "
      "CASE WHEN i = 10001 THEN 'wanted' ELSE 'q' END, 0, false, 0, 0, 0, 0, 0, '' FROM generate_series(1, 10001) i");
  list_filter filter{.queue = "wanted"};
  const auto first = opened.reader->list(filter);
  EXPECT_TRUE(first.rows.empty());
  ASSERT_TRUE(first.next);
  filter.after = *first.next;
  EXPECT_EQ(opened.reader->list(filter).rows.size(), 1U);
}

TEST_F(PostgresqlStore, AFaultOfTheInputKeepsTheConnection) {
  auto options = message_store::postgresql_options_from(tests::configured());
  options.url = database_.url();
  options.connections = 1;
  const auto opened = message_store::open_postgresql(options);
  opened.drivers.at(0)->due(1);
  opened.reader->list({});
  const auto connected = [&] {
    return tests::postgresql_session(database_.url())
        .value(
            "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE application_name IN "
            "('amc store', 'amc reader') AND datname = current_database()");
  };
  const auto before = connected();
  EXPECT_TRUE(opened.reader->list({.queue = "\xff"}).unfit);
  EXPECT_TRUE(opened.reader->list({.queue = std::string("\0", 1)}).unfit);
  const auto id = system_uuid_source()();
  const std::vector<change> unfit{life_cycle::accept(id, "x", to_queue{"q"}, true, times_),
                                  life_cycle::claim({id, 1}, 1, false),
                                  life_cycle::fail({.id = id, .revision = 1}, 1, "\xff", false, times_),
                                  life_cycle::fail({.id = id, .revision = 1}, 1, std::string("\0", 1), false, times_),
                                  life_cycle::answer(id, 1, "\xff", to_queue{"q"}, true, times_)};
  const auto became = opened.drivers.at(0)->apply(unfit);
  EXPECT_TRUE(became.at(1).applied);
  for (std::size_t i = 2; i < unfit.size(); ++i) EXPECT_TRUE(became.at(i).unfit) << i;
  EXPECT_FALSE(opened.reader->list({}).unfit);
  EXPECT_EQ(connected(), before);
}

TEST_F(PostgresqlStore, ABatchTooLargeForOneTransactionIsSeveral) {
  std::vector<change> batch;
  auto next_id = system_uuid_source();
  const std::string large(9 << 20, '"');
  for (int i = 0; i < 2; ++i) batch.push_back(life_cycle::accept(next_id(), large, to_queue{"q"}, true, times_));
  const auto own = open();
  for (const auto& became : own->apply(batch)) EXPECT_TRUE(became.applied);
  EXPECT_EQ(tests::postgresql_session(database_.url()).value("SELECT count(DISTINCT xmin::text) > 1 FROM amc_message"),
            "t");
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

TEST_F(PostgresqlStore, ADatabaseThatCannotHoldEveryTextIsRefused) {
  for (const std::string encoding : {"LATIN1", "SQL_ASCII", "EUC_JP"}) {
    const tests::postgresql_database odd("ENCODING '" + encoding + "' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    EXPECT_THAT(complaint(odd.url()), testing::AllOf(testing::StartsWith("refused"), testing::HasSubstr(encoding),
                                                     testing::HasSubstr("ENCODING 'UTF8' TEMPLATE template0")));
  }
}

TEST_F(PostgresqlStore, ADatabaseThatHasBecomeAnotherIsRefusedToo) {
  const tests::postgresql_database odd("ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
  std::optional<tests::postgresql_database> good(std::in_place);
  auto options = message_store::postgresql_options_from(tests::configured());
  options.url = good->url();
  const auto opened = message_store::open_postgresql(options);
  const auto name = good->name();
  good.reset();  // with all its connections
  database_.execute("ALTER DATABASE " + odd.name() + " RENAME TO " + name);
  EXPECT_THROW(
      try { opened.drivers.at(0)->due(1); } catch (const unavailable& failed) {
        EXPECT_EQ(failed.why(), unavailable::reason::refused) << failed.what();
        EXPECT_THAT(failed.what(), testing::HasSubstr("LATIN1"));
        throw;
      },
      unavailable);
  database_.execute("ALTER DATABASE " + name + " RENAME TO " + odd.name());
}

TEST_F(PostgresqlStore, ATableOfSomebodyElseIsTold) {
  database_.execute("CREATE TABLE amc_message (id integer)");
  EXPECT_THAT(complaint(database_.url()),
              testing::AllOf(testing::HasSubstr("somebody else has a table"), testing::HasSubstr("search_path")));
}

TEST_F(PostgresqlStore, ATableWithOtherColumnsIsRefusedAtOnce) {
  open();
  database_.execute("ALTER TABLE amc_message RENAME COLUMN fingerprint TO something");
  EXPECT_THAT(complaint(database_.url()),
              testing::AllOf(testing::StartsWith("refused"), testing::HasSubstr("(42703)")));
}

TEST_F(PostgresqlStore, WhatTheServerCannotSetIsRefused) {
  for (const auto* setting : {"bogus%3D1", "work_mem%3Dmuch", "port%3D1"})
    EXPECT_THAT(complaint(database_.url() + "?options=-c%20" + setting), testing::StartsWith("refused")) << setting;
}

TEST_F(PostgresqlStore, AUrlThatCannotWorkIsRefusedWithoutASecret) {
  EXPECT_THAT(complaint("postgresql://amc:s3cret@127.0.0.1/db?sslmode=requird"),
              testing::AllOf(testing::StartsWith("refused"), testing::HasSubstr("sslmode"),
                             testing::Not(testing::HasSubstr("s3cret"))));
}

TEST_F(PostgresqlStore, AHostThatSaysNothingDoesNotKeepTheNextFromBeingTried) {
  tests::raw_listener silent;  // the kernel takes the connection, and nobody answers
  const auto port = tests::port_in(database_.url());
  const auto two = "postgresql://amc@127.0.0.1:" + std::to_string(silent.port()) +
                   ",127.0.0.1:" + std::to_string(port) + "/" + database_.name() + "?target_session_attrs=";
  auto options = message_store::postgresql_options_from(tests::configured());
  options.connections = 1;
  options.connect_timeout = milliseconds(1'000);
  for (const auto* attributes : {"read-write", "any", "primary", "prefer-standby"}) {
    options.url = two + attributes;
    EXPECT_NO_THROW(message_store::open_postgresql(options).drivers.at(0)->due(1)) << attributes;
  }
  options.url = two + "standby";
  try {
    message_store::open_postgresql(options);
    FAIL() << "there is none";
  } catch (const unavailable& failed) {
    EXPECT_EQ(failed.why(), unavailable::reason::away) << "one may come";
    EXPECT_THAT(failed.what(), testing::AllOf(testing::HasSubstr("no connection to 127.0.0.1:" +
                                                                 std::to_string(silent.port()) + " within 1000 ms"),
                                              testing::HasSubstr("standby")));
  }
}

TEST_F(PostgresqlStore, ADatabaseThatDoesNotExistIsTold) {
  EXPECT_THAT(complaint(database_.url() + "_not"),
              testing::AllOf(testing::StartsWith("refused"), testing::HasSubstr("(3D000)")));
}

}  // namespace
}  // namespace amc
