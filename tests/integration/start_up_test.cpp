#include <gmock/gmock.h>
#include <sqlite3.h>

#include <boost/json.hpp>
#include <csignal>
#include <fstream>

#include "tests/support/binary.hpp"
#include "tests/support/raw_http.hpp"

/// What stops a start is told on one line that says what, where and what to do.
namespace amc::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class StartUp : public testing::Test {
 protected:
  void write(const std::string& yaml) const {
    std::filesystem::create_directories(folder_.path / "config/autoload");
    std::ofstream(folder_.path / "config/autoload/a.local.yaml") << yaml;
  }

  /// The exit code; the one line that it wrote is in `line_`.
  int start(std::vector<std::string> sets = {}, const std::string& what = "broker") {
    sets.insert(sets.begin(), "broker.http.port=0");
    process started(amc_command(folder_.path, {what}, std::move(sets)));
    const int code = started.wait();
    line_ = started.errors();
    EXPECT_EQ(std::count(line_.begin(), line_.end(), '\n'), 1) << line_;
    return code;
  }

  temporary_folder folder_;
  std::string line_;
};

TEST_F(StartUp, AnUnknownKey) {
  write("broker:\n  http:\n    prot: 1\n");
  EXPECT_EQ(start(), 2);
  EXPECT_THAT(line_, AllOf(HasSubstr("a.local.yaml:3"), HasSubstr("broker.http.prot"), HasSubstr("broker.http.port")));
}

TEST_F(StartUp, AWrongType) {
  write("broker:\n  lease_ms: soon\n");
  EXPECT_EQ(start(), 2);
  EXPECT_THAT(line_, AllOf(HasSubstr("a.local.yaml:2"), HasSubstr("broker.lease_ms"), HasSubstr("whole number")));
}

TEST_F(StartUp, ABadRegularExpression) {
  write("broker:\n  routes:\n    - {match: '(', queue: q}\n");
  EXPECT_EQ(start(), 2);
  EXPECT_THAT(line_, AllOf(HasSubstr("a.local.yaml:3"), HasSubstr("route 1"), HasSubstr("not a regular expression")));
}

TEST_F(StartUp, AUrlOfPostgresqlThatNoServerMends) {
  EXPECT_EQ(start({"broker.store.engine=postgresql",
                   "broker.store.postgresql.url=postgresql://amc:s3cret@127.0.0.1/db?sslmode=requird"}),
            2);
  EXPECT_THAT(line_,
              AllOf(HasSubstr("broker.store.postgresql.url"), HasSubstr("sslmode"), testing::Not(HasSubstr("s3cret"))));
}

TEST_F(StartUp, AnUnreadableFile) {
  std::filesystem::create_directories(folder_.path / "config/autoload");
  // A link to nowhere cannot be read by anybody, root included.
  std::filesystem::create_symlink("/nowhere", folder_.path / "config/autoload/a.local.yaml");
  EXPECT_EQ(start(), 2);
  EXPECT_THAT(line_, AllOf(HasSubstr("a.local.yaml"), HasSubstr("cannot be read")));
}

TEST_F(StartUp, APortInUse) {
  process first(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  const auto port = port_of(first);
  EXPECT_EQ(start({"broker.store.sqlite.path=other.db", "broker.http.port=" + std::to_string(port)}), 1);
  EXPECT_THAT(line_, AllOf(HasSubstr(std::to_string(port)), HasSubstr("in use"), HasSubstr("broker.http.port")));
}

TEST_F(StartUp, AnAddressThatIsNone) {
  EXPECT_EQ(start({"broker.http.address=localhost"}), 2);
  EXPECT_THAT(line_, AllOf(HasSubstr("--set: broker.http.address"), HasSubstr("\"localhost\" is not an IP address")));
}

TEST_F(StartUp, AStoreThatAnotherProcessOwns) {
  process first(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  port_of(first);
  EXPECT_EQ(start(), 1);
  EXPECT_THAT(line_, AllOf(HasSubstr("another process owns this store"), HasSubstr("broker.store.sqlite.path")));
}

TEST_F(StartUp, AServiceOnTheStoreThatTheBrokerOwnsIsToldHowItNeedsNone) {
  process first(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  port_of(first);
  EXPECT_EQ(start({"queue_system.platform=rabbitmq"}, "service-b"), 1);
  EXPECT_THAT(line_,
              AllOf(HasSubstr("another process owns this store"), HasSubstr("consumer_services.receive_via=broker")));
}

TEST_F(StartUp, AStoreOfAKilledProcessIsFreeAgain) {
  {
    process first(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
    port_of(first);
    first.signal(SIGKILL);
    first.wait();
  }
  process second(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  EXPECT_EQ(ask(port_of(second), "GET", "/readyz").status, 200);
}

TEST_F(StartUp, AFolderThatCannotBeWritten) {
  // Below a file nobody can make a folder, root included.
  std::ofstream(folder_.path / "file") << "x";
  EXPECT_EQ(start({"broker.store.sqlite.path=file/amc.db"}), 1);
  EXPECT_THAT(line_, AllOf(HasSubstr("file"), HasSubstr("broker.store.sqlite.path")));
}

TEST_F(StartUp, APathThatNamesNoFile) {
  EXPECT_EQ(start({"broker.store.sqlite.path="}), 2);
  EXPECT_THAT(line_, AllOf(HasSubstr("broker.store.sqlite.path"), HasSubstr("name a file")));
  EXPECT_EQ(start({"broker.store.sqlite.path=:memory:"}), 1);
  EXPECT_THAT(line_, HasSubstr("a file on a disk"));
}

TEST_F(StartUp, AFileThatIsNoDatabase) {
  std::ofstream(folder_.path / "amc.db") << std::string(10'000, 'x');
  EXPECT_EQ(start({"broker.store.sqlite.path=amc.db"}), 1);
  EXPECT_THAT(line_,
              AllOf(HasSubstr("not a database"), HasSubstr("restore a backup"), HasSubstr("broker.store.sqlite.path")));
}

TEST_F(StartUp, ANewerSchema) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((folder_.path / "amc.db").c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "PRAGMA user_version = 999", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  EXPECT_EQ(start({"broker.store.sqlite.path=amc.db"}), 1);
  EXPECT_THAT(line_, AllOf(HasSubstr("newer version"), HasSubstr("999")));
}

TEST_F(StartUp, WhatEndsItIsAJsonLineWhereThatIsConfigured) {
  EXPECT_EQ(start({"log.format=json", "log.level=critical", "broker.http.address=localhost"}), 2);
  const auto fields = boost::json::parse(line_).as_object();
  EXPECT_EQ(fields.at("level"), "critical");
  EXPECT_EQ(fields.at("component"), "amc broker");
  EXPECT_THAT(std::string(fields.at("message").as_string()), HasSubstr("broker.http.address"));
  EXPECT_EQ(start({"log.format=json", "broker.nonsense=1"}), 2);
  EXPECT_THAT(line_, testing::StartsWith("amc broker: ")) << "what is configured is not known yet";
}

TEST_F(StartUp, ABrokersUrlWithCredentialsIsRefused) {
  process asking(
      amc_command(folder_.path, {"requester"}, {"consumer_services.broker_client.url=http://me:secret@127.0.0.1:1"}));
  EXPECT_EQ(asking.wait(), 2);
  EXPECT_THAT(asking.errors(), AllOf(HasSubstr("consumer_services.broker_client.url"), HasSubstr("credentials"),
                                     testing::Not(HasSubstr("secret"))));
}

TEST_F(StartUp, WhoAnswersSomethingElseIsNoBroker) {
  process broker(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  const auto other = "http://127.0.0.1:" + std::to_string(port_of(broker)) + "/nobody";
  process a(amc_command(
      folder_.path, {"service-a"},
      {"consumer_services.broker_client.url=" + other, "app.startup_timeout_ms=0", "queue_system.platform=rabbitmq"}));
  EXPECT_EQ(a.wait(), 1);
  EXPECT_THAT(a.errors(), AllOf(HasSubstr("gave up"), HasSubstr("GET /healthz was answered 404")));
}

TEST_F(StartUp, AMigrationThatIsOnlyPlannedMakesNoFile) {
  process planning(amc_command(folder_.path, {"migrate", "plan"}));
  EXPECT_EQ(planning.wait(), 0) << planning.errors();
  EXPECT_THAT(planning.output(), HasSubstr("schema 0 -> "));
  EXPECT_FALSE(std::filesystem::exists(folder_.path / "var"));
}

TEST_F(StartUp, TheStoresFilesAreNobodyElsesToRead) {
  process broker(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  ask(port_of(broker), "POST", "/", R"({"message":"Hi, "})");
  using std::filesystem::perms;
  for (const auto* name : {"amc.db", "amc.db-wal", "amc.db-shm", "amc.db.lock"})
    EXPECT_EQ(std::filesystem::status(folder_.path / "var" / name).permissions(),
              perms::owner_read | perms::owner_write)
        << name;
}

}  // namespace
}  // namespace amc::tests
