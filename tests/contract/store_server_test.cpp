#include <gmock/gmock.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>

#include "broker/life_cycle.hpp"
#include "core/uuid_source.hpp"
#include "message_store/postgresql/postgresql.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/postgresql.hpp"
#include "tests/support/tcp_proxy.hpp"
#include "tests/support/test_server.hpp"
#include "tests/support/unique_name.hpp"

/// What a store's driver must do while its server is away, frozen, restarted or cut off, and beside other processes.
namespace amc {
namespace {

using broker::life_cycle::to_queue;
using tests::port_in;
namespace life_cycle = broker::life_cycle;

std::vector<change> inserts(const std::vector<uuid>& ids) {
  std::vector<change> batch;
  for (const auto& id : ids)
    batch.push_back(life_cycle::accept(id, "Hi, ", to_queue{"q"}, false, tests::default_rules()));
  return batch;
}

std::vector<uuid> new_ids(int count) {
  static uuid_source next = system_uuid_source();
  std::vector<uuid> ids;
  for (int i = 0; i < count; ++i) ids.push_back(next());
  return ids;
}

/// For several threads.
std::vector<uuid> new_ids_at_once(int count) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  return new_ids(count);
}

std::string at_port(std::string url, std::uint16_t port) {
  const auto begin = url.find(':', url.find('@')) + 1;
  return url.replace(begin, url.find('/', begin) - begin, std::to_string(port));
}

class PostgresqlServer : public testing::Test {
 protected:
  static opened_store open(const std::string& url) {
    auto options = message_store::postgresql_options_from(tests::configured());
    options.url = url;
    options.connections = 1;
    options.connect_timeout = milliseconds(1'000);
    options.answer_timeout = milliseconds(1'000);
    return message_store::open_postgresql(options);
  }
  /// `broken` when it did not fail.
  static unavailable::reason why(const std::function<void()>& call) {
    try {
      call();
    } catch (const unavailable& failed) {
      return failed.why();
    }
    return unavailable::reason::broken;
  }
  /// Applies again until the store has said what became of it.
  static std::vector<outcome> stubbornly(store& to, const std::vector<change>& batch) {
    for (;;) {
      try {
        return to.apply(batch);
      } catch (const unavailable&) {
        std::this_thread::sleep_for(milliseconds(20));
      }
    }
  }
};

TEST_F(PostgresqlServer, KilledInTheMiddleKeepsWhatItToldAndTakesAgain) {
  tests::test_server server("postgresql");
  const auto opened = open(server.url());
  auto& store = *opened.drivers.at(0);
  const auto before = new_ids(10), after = new_ids(10);
  store.apply(inserts(before));
  server.kill();
  EXPECT_EQ(why([&] { store.apply(inserts(after)); }), unavailable::reason::away);
  server.start();
  stubbornly(store, inserts(after));
  for (const auto& ids : {before, after})
    for (const auto& found : store.find(ids, true)) EXPECT_TRUE(found.now);
}

TEST_F(PostgresqlServer, AFrozenServerLeavesTheOutcomeUnknownAndHindersNobodyElse) {
  tests::postgresql_database database;
  const auto opened = open(database.url());
  const auto ids = new_ids(3);
  opened.drivers.at(0)->apply(inserts({ids[0]}));
  const auto server_process = std::stoi(tests::postgresql_session(database.url())
                                            .value("SELECT pid FROM pg_stat_activity WHERE application_name = 'amc "
                                                   "store' AND datname = current_database()"));
  ::kill(server_process, SIGSTOP);
  EXPECT_EQ(why([&] { opened.drivers.at(0)->apply(inserts({ids[1]})); }), unavailable::reason::outcome_unknown);
  const auto other = open(database.url());
  EXPECT_NO_THROW(other.drivers.at(0)->apply(inserts({ids[2]})));
  EXPECT_NO_THROW(stubbornly(*opened.drivers.at(0), {life_cycle::claim({ids[0], 1}, 1, false)}));
  ::kill(server_process, SIGCONT);
}

TEST_F(PostgresqlServer, CutInTheMiddleOfAReplyNothingIsGuessed) {
  tests::postgresql_database database;
  tests::tcp_proxy proxy(port_in(database.url()), 11);
  const auto opened = open(at_port(database.url(), proxy.port()));
  const auto direct = open(database.url());
  proxy.cut_replies_within(10'000);
  for (int applied = 0, unknown = 0; applied < 30 || unknown < 5;) {
    const auto ids = new_ids(3);
    try {
      for (const auto& became : opened.drivers.at(0)->apply(inserts(ids))) applied += became.applied;
      for (const auto& found : direct.drivers.at(0)->find(ids, true)) ASSERT_TRUE(found.now) << "told, and not there";
    } catch (const unavailable& failed) {
      unknown += failed.why() == unavailable::reason::outcome_unknown;
      // All of it or nothing.
      const auto rows = direct.drivers.at(0)->find(ids, true);
      ASSERT_EQ(rows[0].now != nullptr, rows[1].now != nullptr);
      ASSERT_EQ(rows[0].now != nullptr, rows[2].now != nullptr);
    }
  }
}

TEST_F(PostgresqlServer, CutInTheMiddleOfAReplyWhatIsToldIsTrue) {
  tests::postgresql_database database;
  tests::tcp_proxy proxy(port_in(database.url()), 12);
  const auto opened = open(at_port(database.url(), proxy.port()));
  const auto direct = open(database.url());
  const auto id = new_ids(1).front();
  direct.drivers.at(0)->apply(inserts({id}));
  proxy.cut_replies_within(10'000);
  int revision = 1;
  for (int applied = 0, unknown = 0; applied < 30 || unknown < 5;) {
    const std::vector<change> answers{
        life_cycle::answer(id, revision, "x", to_queue{"q"}, false, tests::default_rules())};
    try {
      applied += opened.drivers.at(0)->apply(answers).at(0).applied;
      ++revision;
      ASSERT_EQ(direct.drivers.at(0)->find({&id, 1}, true).at(0).now->revision, revision) << "told, and not there";
    } catch (const unavailable& failed) {
      unknown += failed.why() == unavailable::reason::outcome_unknown;
      revision = direct.drivers.at(0)->find({&id, 1}, true).at(0).now->revision;
    }
  }
}

TEST_F(PostgresqlServer, WhatCommitsLateIsStillFoundDue) {
  tests::postgresql_database database;
  const auto opened = open(database.url());
  const auto ids = new_ids(2);
  // The first row is older, and its transaction commits after the second one's.
  tests::postgresql_session slow(database.url());
  slow.execute("BEGIN; INSERT INTO amc_message SELECT '" + to_string(ids[0]) +
               "', 1, 'pending', 'q', 1, false, 0, 0, 0, 1, 1, 'Hi, '");
  opened.drivers.at(0)->apply(inserts({ids[1]}));
  ASSERT_EQ(opened.drivers.at(0)->due(10).size(), 1U);
  slow.execute("COMMIT");
  EXPECT_EQ(opened.drivers.at(0)->due(10).at(0).id, ids[0]);
}

TEST_F(PostgresqlServer, AChangeReadsItsOwnRowsAlsoWhereTheTableWasKnownToBeEmpty) {
  tests::postgresql_database database;
  const auto mine = new_ids(10);
  const auto answer = [](store& by, const uuid& id, int revision) {
    by.apply(std::vector<change>{
        life_cycle::answer(id, revision, "x", life_cycle::to_done{}, false, tests::default_rules())});
  };
  {
    const auto opened = open(database.url());
    database.execute("VACUUM ANALYZE amc_message");
    auto& store = *opened.drivers.at(0);
    answer(store, mine[0], 1);  // here the server plans
    store.apply(inserts(new_ids(2'000)));
    store.apply(inserts(mine));
    for (const auto& id : mine) answer(store, id, 1);
    for (const auto& id : mine) answer(store, id, 7);
  }
  // Sessions that have ended have told what they read.
  tests::postgresql_session asking(database.url());
  const auto read =
      asking.value("SELECT coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'amc_message'");
  EXPECT_LT(std::stoi(read), 2'000);
}

TEST_F(PostgresqlServer, AChangeIsToldToOtherProcessesOnceForACommit) {
  tests::postgresql_database database;
  const auto here = open(database.url()), there = open(database.url());
  ASSERT_TRUE(there.changes_elsewhere->wait(milliseconds(0)).everything) << "what was told before it listened is lost";
  const auto ids = new_ids(2);
  here.drivers.at(0)->apply(inserts(ids));
  std::vector<change> answers;
  for (const auto& id : ids)
    answers.push_back(life_cycle::answer(id, 1, "x", life_cycle::to_done{}, false, tests::default_rules()));
  tests::postgresql_session listening(database.url());
  listening.execute("LISTEN amc_changed");
  here.drivers.at(0)->apply(answers);
  std::vector<uuid> heard;
  while (heard.empty()) heard = there.changes_elsewhere->wait(milliseconds(5'000)).ids;
  EXPECT_THAT(heard, testing::UnorderedElementsAreArray(ids));
  EXPECT_EQ(listening.notifications(), 1);
}

TEST_F(PostgresqlServer, WhereSomethingWaitsIsToldToOtherProcessesOnceItIsThere) {
  tests::postgresql_database database;
  const auto here = open(database.url()), there = open(database.url());
  there.changes_elsewhere->wait(milliseconds(0));
  const auto id = system_uuid_source()();
  here.drivers.at(0)->apply(
      std::vector<change>{life_cycle::accept(id, "x", to_queue{"a b"}, false, tests::default_rules())});
  std::vector<std::string> heard;
  while (heard.empty()) heard = there.changes_elsewhere->wait(milliseconds(5'000)).queues;
  EXPECT_THAT(heard, testing::ElementsAre("a b"));
  EXPECT_EQ(there.drivers.at(0)->waiting({"a b", milliseconds(0), 10, {}}).size(), 1U);
}

TEST_F(PostgresqlServer, WhoReceivesIsToldToOtherProcesses) {
  tests::postgresql_database database;
  const auto here = open(database.url()), there = open(database.url());
  there.changes_elsewhere->wait(milliseconds(0));
  const std::vector<receiving> told{{"a \"b\\", {{"größer", milliseconds(7)}}}, {"c", {{"", milliseconds(0)}}}};
  here.drivers.at(0)->tell_receiving(told);
  std::vector<receiving> heard;
  while (heard.size() < 2) {
    auto more = there.changes_elsewhere->wait(milliseconds(5'000)).received;
    heard.insert(heard.end(), more.begin(), more.end());
  }
  EXPECT_EQ(heard[0].queue, told[0].queue);
  EXPECT_EQ(heard[0].services.at(0).name, "größer");
  EXPECT_EQ(heard[0].services.at(0).seen_ago, milliseconds(7));
  EXPECT_EQ(heard[1].queue, "c");
}

TEST_F(PostgresqlServer, AProcessDoesNotHearItself) {
  tests::postgresql_database database;
  const auto here = open(database.url()), there = open(database.url());
  here.changes_elsewhere->wait(milliseconds(0));
  const auto ids = new_ids(2);
  there.drivers.at(0)->apply(inserts(ids));
  const auto finish = [&](store& by, const uuid& id) {
    by.apply(std::vector<change>{life_cycle::answer(id, 1, "x", life_cycle::to_done{}, false, tests::default_rules())});
  };
  finish(*here.drivers.at(0), ids[0]);
  finish(*there.drivers.at(0), ids[1]);
  std::vector<uuid> heard;
  while (heard.empty()) heard = here.changes_elsewhere->wait(milliseconds(5'000)).ids;
  EXPECT_THAT(heard, testing::ElementsAre(ids[1]));
}

TEST_F(PostgresqlServer, AListenerThatWasCutOffLooksEverywhere) {
  tests::postgresql_database database;
  const auto opened = open(database.url());
  auto& feed = *opened.changes_elsewhere;
  feed.wait(milliseconds(0));
  database.execute(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
      "WHERE application_name = 'amc changes' AND datname = current_database()");
  while (why([&] { feed.wait(milliseconds(100)); }) == unavailable::reason::broken) {
  }
  EXPECT_TRUE(feed.wait(milliseconds(0)).everything);
}

TEST_F(PostgresqlServer, ADatabaseThatIsUpToDateNeedsNoRightToMakeTables) {
  tests::postgresql_database database;
  open(database.url());
  const auto role = "amc_test_worker_" + tests::unique_name('_');
  database.execute("CREATE ROLE " + role +
                   " LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + role);
  auto url = database.url();
  url.replace(url.find("amc@"), 3, role);
  EXPECT_NO_THROW(open(url).drivers.at(0)->apply(inserts(new_ids(1))));
  database.execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST_F(PostgresqlServer, APasswordThatIsMissingIsRefused) {
  tests::test_server server("postgresql");
  tests::postgresql_session session(server.url());
  session.execute(
      "DO $$BEGIN EXECUTE format('COPY (SELECT %L) TO %L', 'host all all 127.0.0.1/32 scram-sha-256', "
      "current_setting('hba_file')); END$$; SELECT pg_reload_conf()");
  auto failed = unavailable::reason::broken;
  while (failed == unavailable::reason::broken) failed = why([&] { open(server.url()); });  // until it has reloaded
  EXPECT_EQ(failed, unavailable::reason::refused);
}

TEST_F(PostgresqlServer, AServerWithoutTlsRefusesWhoWantsIt) {
  tests::postgresql_database database;
  EXPECT_EQ(why([&] { open(database.url() + "?sslmode=require"); }), unavailable::reason::refused);
}

TEST_F(PostgresqlServer, ACertificateThatDoesNotFitIsRefused) {
  tests::test_server server("postgresql");
  tests::postgresql_session session(server.url());
  // In its data folder, as its user: its own certificate, and one that has nothing to do with it.
  for (const std::string name : {"server", "other"})
    session.execute(
        "COPY (SELECT) TO PROGRAM 'openssl req -x509 -nodes -days 30 -newkey ec -pkeyopt "
        "ec_paramgen_curve:prime256v1 -subj /CN=" +
        name + " -keyout " + name + ".key -out " + name + ".crt && chmod 600 " + name + ".key'");
  session.execute("ALTER SYSTEM SET ssl = on");
  session.execute("SELECT pg_reload_conf()");
  const auto folder = session.value("SHOW data_directory");
  const auto url = server.url() + "?sslrootcert=" + folder + "/server.crt&sslmode=";
  const auto reason = [&](const std::string& rest) { return why([&] { open(rest); }); };
  while (reason(url + "verify-ca") != unavailable::reason::broken) {  // until it has reloaded
  }
  EXPECT_EQ(reason(url + "verify-full"), unavailable::reason::refused) << "the name is another";
  EXPECT_EQ(reason(server.url() + "?sslmode=verify-ca&sslrootcert=" + folder + "/other.crt"),
            unavailable::reason::refused);
  EXPECT_EQ(reason(server.url() + "?sslmode=require&sslrootcert=" + folder + "/other.key"),
            unavailable::reason::refused)
      << "no certificate";
}

TEST_F(PostgresqlServer, WhoMayNotWriteIsToldSoAtOnceAndLaterByTryingToWrite) {
  tests::postgresql_database database;
  open(database.url());
  const auto role = "amc_test_reader_" + tests::unique_name('_');
  database.execute("CREATE ROLE " + role + " LOGIN; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO " +
                   role);
  auto url = database.url();
  url.replace(url.find("amc@"), 3, role);
  EXPECT_EQ(why([&] { open(url); }), unavailable::reason::refused) << "DELETE is missing";
  database.execute("GRANT DELETE ON amc_message TO " + role);
  const auto opened = open(url);
  database.execute("REVOKE INSERT, UPDATE, DELETE ON amc_message FROM " + role);
  EXPECT_NO_THROW(opened.drivers.at(0)->find(new_ids(1), true));
  EXPECT_EQ(why([&] { opened.drivers.at(0)->try_writing(); }), unavailable::reason::refused);
  database.execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST_F(PostgresqlServer, AReadOnlyServerIsToldSoByTryingToWrite) {
  tests::postgresql_database database;
  open(database.url());
  database.execute("ALTER DATABASE " + database.name() + " SET default_transaction_read_only = on");
  const auto opened = open(database.url());
  EXPECT_NO_THROW(opened.drivers.at(0)->find(new_ids(1), true));
  EXPECT_EQ(why([&] { opened.drivers.at(0)->try_writing(); }), unavailable::reason::away);
}

TEST_F(PostgresqlServer, MissingRightsAreRefused) {
  tests::postgresql_database database;
  const auto role = "amc_test_nobody_" + tests::unique_name('_');
  database.execute("CREATE ROLE " + role + " LOGIN");
  auto url = database.url();
  url.replace(url.find("amc@"), 3, role);
  EXPECT_EQ(why([&] { open(url); }), unavailable::reason::refused);
  database.execute("DROP ROLE " + role);
}

/// Through a PgBouncer of its own, that pools by transaction or by session.
class PostgresqlPooler : public PostgresqlServer, public testing::WithParamInterface<const char*> {
 protected:
  std::string pooled(const tests::postgresql_database& database) const {
    return at_port(database.url(), pooler_.port());
  }

  tests::postgresql_database database_;
  tests::test_server pooler_{"pgbouncer", {"--behind", std::to_string(port_in(database_.url())), "--mode", GetParam()}};
};

TEST_P(PostgresqlPooler, ConversationsGoOnThroughIt) {
  constexpr int brokers = 4, conversations = 30;
  std::vector<std::thread> all;
  std::atomic<int> finished = 0;
  for (int i = 0; i < brokers; ++i)
    all.emplace_back([&] {
      const auto opened = open(pooled(database_));
      auto& store = *opened.drivers.at(0);
      for (const auto& id : new_ids_at_once(conversations)) {
        store.apply(inserts({id}));
        store.apply(std::vector<change>{life_cycle::claim({id, 1}, 1, false)});
        store.apply(
            std::vector<change>{life_cycle::answer(id, 1, "x", life_cycle::to_done{}, false, tests::default_rules())});
        finished += store.find(std::vector<uuid>{id}, true).at(0).now->status == status::done;
        opened.reader->list({});
        store.due(1);
      }
    });
  for (auto& broker : all) broker.join();
  EXPECT_EQ(finished, brokers * conversations);
}

TEST_P(PostgresqlPooler, NothingIsLeftInASessionThatOthersGet) {
  const auto opened = open(pooled(database_));
  opened.drivers.at(0)->apply(inserts(new_ids(2)));
  opened.reader->list({});
  opened.changes_elsewhere->wait(milliseconds(0));
  tests::postgresql_session other(pooled(database_));
  EXPECT_EQ(other.value("SHOW enable_seqscan"), "on");
  EXPECT_EQ(other.value("SHOW statement_timeout"), "0");
  EXPECT_EQ(other.value("SELECT count(*) FROM pg_prepared_statements"), "0");
  EXPECT_EQ(other.value("SELECT count(*) FROM pg_listening_channels()"), "0");
}

TEST_P(PostgresqlPooler, AFaultOfTheInputAndALostServerAreTheSameBehindIt) {
  const auto opened = open(pooled(database_));
  auto batch = inserts(new_ids(3));
  batch[1].then.text = "\xff";
  const auto became = opened.drivers.at(0)->apply(batch);
  EXPECT_TRUE(became.at(0).applied);
  EXPECT_TRUE(became.at(1).unfit);
  EXPECT_TRUE(became.at(2).applied);
  database_.execute(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
      "WHERE pid <> pg_backend_pid() AND datname = current_database()");
  EXPECT_TRUE(stubbornly(*opened.drivers.at(0), inserts(new_ids(1))).at(0).applied);
}

TEST_P(PostgresqlPooler, WhatItCannotPassOnIsRefused) {
  EXPECT_EQ(why([&] { open(pooled(database_) + "?options=-c%20work_mem%3D64"); }), unavailable::reason::refused);
}

TEST_P(PostgresqlPooler, ADatabaseThatIsGoneBehindItIsNotOpened) {
  std::optional<tests::postgresql_database> gone(std::in_place);
  const auto url = pooled(*gone);
  open(url);
  gone.reset();
  EXPECT_THROW(open(url), unavailable);
}

TEST_P(PostgresqlPooler, WhatOthersChangeIsLookedForInsteadOfHeard) {
  const auto opened = open(pooled(database_));
  EXPECT_TRUE(opened.changes_elsewhere->wait(milliseconds(0)).everything);
  while (!opened.changes_elsewhere->wait(milliseconds(10)).everything) {
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, PostgresqlPooler, testing::Values("transaction", "session"),
                         [](const auto& suite) { return std::string(suite.param); });

TEST_F(PostgresqlServer, AMigrationIsPlannedAndThenDone) {
  tests::postgresql_database database;
  auto options = message_store::postgresql_options_from(tests::configured());
  options.url = database.url();
  const auto plan = message_store::migrate_postgresql(options, true);
  EXPECT_EQ(plan.from, 0);
  EXPECT_FALSE(plan.steps.empty());
  EXPECT_EQ(message_store::migrate_postgresql(options, false).from, 0) << "planning did nothing";
  EXPECT_TRUE(message_store::migrate_postgresql(options, true).steps.empty());
}

}  // namespace
}  // namespace amc
