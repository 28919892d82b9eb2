#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "broker/life_cycle.hpp"
#include "core/uuid_source.hpp"
#include "message_store/sqlite/sqlite.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/temporary_folder.hpp"

/// A store and the files that it consists of: one owner, whatever a file is called, and a file that is taken away.
namespace amc {
namespace {

using message_store::open_sqlite;
using testing::AllOf;
using testing::HasSubstr;
namespace life_cycle = broker::life_cycle;
namespace files = std::filesystem;

uuid accept(store& into) {
  static const auto next_id = system_uuid_source();
  const auto id = next_id();
  const std::vector<change> batch{
      life_cycle::accept(id, "Hi, ", life_cycle::to_queue{"q"}, true, tests::default_rules())};
  EXPECT_TRUE(into.apply(batch).at(0).applied);
  return id;
}

bool has(store& in, const uuid& id) {
  return in.find(std::vector<uuid>{id}, true).at(0).now != nullptr;
}

bool has(const files::path& path, const uuid& id) {
  const auto opened = open_sqlite({path.string(), {}});
  return has(*opened.drivers.at(0), id);
}

/// Why the store cannot be opened; empty when it can.
std::string refusal(const files::path& path) {
  try {
    open_sqlite({path.string(), {}});
    return "";
  } catch (const startup_error& failed) {
    return failed.what();
  }
}

/// The exit code of a child that does this.
int in_a_child(const std::function<int()>& work) {
  const auto child = fork();
  if (child == 0) _exit(work());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool is_refused_to_another_process(const files::path& path) {
  return in_a_child([&] { return refusal(path).find("another process owns") != std::string::npos ? 7 : 0; }) == 7;
}

class SqliteFile : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* name : {"one", "two"}) files::create_directory(folder_.path / name);
  }

  tests::temporary_folder folder_;
  files::path path_ = folder_.path / "one/amc.db";
};

// ---- one owner ----

TEST_F(SqliteFile, IsOwnedByOneStoreOfAProcess) {
  const auto owner = open_sqlite({path_.string(), {}});
  EXPECT_THAT(refusal(path_), HasSubstr("owns this store"));
  EXPECT_THAT(refusal(folder_.path / "two/../one/amc.db"), HasSubstr("owns this store"));
}

TEST_F(SqliteFile, IsOwnedByWhateverNameItIsCalled) {
  const auto owner = open_sqlite({path_.string(), {}});
  files::create_symlink(path_, folder_.path / "two/amc.db");
  files::create_directory_symlink(folder_.path / "one", folder_.path / "three");
  files::create_hard_link(path_, folder_.path / "two/hard.db");
  for (const auto* name : {"one/amc.db", "two/../one/amc.db", "two/amc.db", "three/amc.db", "two/hard.db"}) {
    EXPECT_TRUE(is_refused_to_another_process(folder_.path / name)) << name;
    EXPECT_THAT(refusal(folder_.path / name), HasSubstr("owns this store")) << name;
  }
}

TEST_F(SqliteFile, ARefusedStoreLeavesTheOwnersLocks) {
  const auto owner = open_sqlite({path_.string(), {}});
  files::create_hard_link(path_, folder_.path / "two/amc.db");
  ASSERT_NE(refusal(folder_.path / "two/amc.db"), "");
  files::remove(folder_.path / "two/amc.db");
  // While SQLite reads in WAL mode it holds this range of the file.
  const auto locked = in_a_child([&] {
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_start = 0x40000000 + 2;
    range.l_len = 510;
    fcntl(::open(path_.c_str(), O_RDWR), F_GETLK, &range);
    return range.l_type == F_UNLCK ? 0 : 7;
  });
  EXPECT_EQ(locked, 7);
}

TEST_F(SqliteFile, WithTwoNamesIsRefused) {
  open_sqlite({path_.string(), {}});
  files::create_hard_link(path_, folder_.path / "two/amc.db");
  EXPECT_THAT(refusal(path_), AllOf(HasSubstr("2 names"), HasSubstr("amc.db-wal")));
  files::remove(folder_.path / "two/amc.db");
  EXPECT_EQ(refusal(path_), "");
}

TEST_F(SqliteFile, MountedByItselfIsRefused) {
  open_sqlite({path_.string(), {}});
  const auto mounted = folder_.path / "two/amc.db";
  std::ofstream(mounted).close();
  constexpr int may_not = 5;
  const auto code = in_a_child([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount(path_.c_str(), mounted.c_str(), nullptr, MS_BIND, nullptr) != 0)
      return may_not;
    return refusal(mounted).find("mount the folder") != std::string::npos ? 7 : 0;
  });
  if (code == may_not) GTEST_SKIP() << "needs the right to mount";
  EXPECT_EQ(code, 7);
}

TEST_F(SqliteFile, ThatIsNoFileIsRefused) {
  files::create_directory(path_);
  EXPECT_THAT(refusal(path_), HasSubstr("broker.store.sqlite.path"));
}

TEST_F(SqliteFile, APathThatIsTooLongForSqliteIsRefused) {
  auto folder = folder_.path;
  for (int i = 0; i < 6; ++i) folder /= std::string(100, 'x');
  EXPECT_THAT(refusal(folder / "amc.db"), HasSubstr("cannot be opened"));
}

TEST_F(SqliteFile, WithOtherColumnsIsRefused) {
  open_sqlite({path_.string(), {}});
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "ALTER TABLE message RENAME COLUMN fingerprint TO other", nullptr, nullptr, nullptr), 0);
  sqlite3_close(db);
  EXPECT_THAT(refusal(path_), AllOf(HasSubstr("do not fit this version"), HasSubstr("fingerprint")));
}

TEST_F(SqliteFile, AnOlderVersionThatRunsIsRespected) {
  open_sqlite({path_.string(), {}});
  files::create_symlink(path_, folder_.path / "two/amc.db");
  for (const auto* locked : {"one/amc.db", "two/amc.db"}) {
    const int older = ::open((folder_.path / (std::string(locked) + ".lock")).c_str(), O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(flock(older, LOCK_EX | LOCK_NB), 0);
    EXPECT_THAT(refusal(folder_.path / "two/amc.db"), HasSubstr("another process owns this store")) << locked;
    close(older);
  }
}

TEST_F(SqliteFile, TheChildOfAForkLeavesItToItsParent) {
  auto owner = open_sqlite({path_.string(), {}});
  const auto id = accept(*owner.drivers.at(0));
  const auto code = in_a_child([&] {
    try {
      owner.drivers.at(0)->find(std::vector<uuid>{id}, true);
      return 0;
    } catch (const unavailable& failed) {
      owner = {};
      return failed.why() == unavailable::reason::broken ? 7 : 1;
    }
  });
  EXPECT_EQ(code, 7);
  EXPECT_TRUE(files::exists(path_.string() + "-wal"));
  EXPECT_TRUE(is_refused_to_another_process(path_));
  EXPECT_TRUE(has(*owner.drivers.at(0), accept(*owner.drivers.at(0))));
}

// ---- looking at it ----

std::map<std::string, std::string> contents(const files::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : files::directory_iterator(folder)) {
    std::ifstream file(entry.path());
    const auto written = files::last_write_time(entry).time_since_epoch().count();
    all[entry.path().filename()] = std::to_string(written) + std::string(std::istreambuf_iterator<char>(file), {});
  }
  return all;
}

TEST_F(SqliteFile, APlanWritesNothing) {
  EXPECT_EQ(message_store::migrate_sqlite({path_.string(), {}}, true).from, 0);
  EXPECT_TRUE(files::is_empty(folder_.path / "one"));
  // All that a crashed process has done is in the log.
  in_a_child([&] {
    const auto opened = open_sqlite({path_.string(), {}});
    accept(*opened.drivers.at(0));
    _exit(0);
    return 0;
  });
  ASSERT_GT(files::file_size(path_.string() + "-wal"), 0U);
  for (int stopped_well = 0; stopped_well < 2; ++stopped_well) {
    const auto before = contents(folder_.path / "one");
    const auto plan = message_store::migrate_sqlite({path_.string(), {}}, true);
    EXPECT_GT(plan.from, 0);
    EXPECT_EQ(plan.from, plan.to);
    EXPECT_EQ(contents(folder_.path / "one"), before);
    open_sqlite({path_.string(), {}});
  }
}

TEST_F(SqliteFile, APlanReadsAFileWhoseNameMeansSomethingInAUri) {
  const auto odd = folder_.path / "one/100%25 #1?.db";
  open_sqlite({odd.string(), {}});
  EXPECT_TRUE(message_store::migrate_sqlite({odd.string(), {}}, true).steps.empty());
}

TEST_F(SqliteFile, APlanIsRefusedWhileItIsInUse) {
  const auto owner = open_sqlite({path_.string(), {}});
  EXPECT_THROW(message_store::migrate_sqlite({path_.string(), {}}, true), startup_error);
  EXPECT_THROW(message_store::migrate_sqlite({path_.string(), {}}, false), startup_error);
}

// ---- taken away or replaced while it is in use ----

struct disturbance {
  std::string name;
  std::function<void(const files::path& database, const files::path& elsewhere)> happens;
  std::string told;
  bool remains;  ///< at the path, or elsewhere: and then with everything that was told
};

void overwrite(const files::path& database, const std::string& with) {
  std::ofstream(database, std::ios::binary | std::ios::trunc) << with;
}

/// Another store, as a backup is.
void make_other(const files::path& path) {
  const auto opened = open_sqlite({path.string(), {}});
  for (int i = 0; i < 100; ++i) accept(*opened.drivers.at(0));
}

std::string bytes_of(const files::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::vector<disturbance> disturbances{
    {"deleted", [](const auto& db, const auto&) { files::remove(db); }, "was moved or deleted", false},
    {"moved", [](const auto& db, const auto& to) { files::rename(db, to / "amc.db"); }, "was moved or deleted", true},
    {"replaced",
     [](const auto& db, const auto& to) {
       make_other(to / "other.db");
       files::rename(to / "other.db", db);
     },
     "was replaced by another file", false},
    {"restored_over",
     [](const auto& db, const auto& to) {
       make_other(to / "other.db");
       overwrite(db, bytes_of(to / "other.db"));
     },
     "was written by another process", false},
    {"cut", [](const auto& db, const auto&) { files::resize_file(db, 100); }, "was written by another process", false},
    {"one_byte",
     [](const auto& db, const auto&) {
       std::fstream file(db, std::ios::in | std::ios::out | std::ios::binary);
       file.seekp(5'000);
       file << 'x';
     },
     "was written by another process", false},
    {"log_deleted", [](const auto& db, const auto&) { files::remove(db.string() + "-wal"); },
     "-wal was moved or deleted", true},
    {"log_replaced",
     [](const auto& db, const auto& to) {
       std::ofstream(to / "log") << "no log";
       files::rename(to / "log", db.string() + "-wal");
     },
     "-wal was replaced", true},
    {"log_cut", [](const auto& db, const auto&) { files::resize_file(db.string() + "-wal", 0); }, "-wal was cut",
     false},
    {"folder_moved",
     [](const auto& db, const auto& to) {
       files::remove(to);
       files::rename(db.parent_path(), to);
     },
     "was moved or deleted", true},
};

class SqliteFileTakenAway : public SqliteFile, public testing::WithParamInterface<disturbance> {};

INSTANTIATE_TEST_SUITE_P(All, SqliteFileTakenAway, testing::ValuesIn(disturbances),
                         [](const auto& of) { return of.param.name; });

TEST_P(SqliteFileTakenAway, NothingIsToldAsDurableAnyMore) {
  auto opened = open_sqlite({path_.string(), {}});
  auto& store = *opened.drivers.at(0);
  const auto id = accept(store);
  GetParam().happens(path_, folder_.path / "two");
  for (int i = 0; i < 2; ++i) {
    try {
      accept(store);
      FAIL() << "told as durable";
    } catch (const unavailable& failed) {
      EXPECT_EQ(failed.why(), unavailable::reason::broken);
      EXPECT_THAT(failed.what(), AllOf(HasSubstr(GetParam().told), HasSubstr("amc.db")));
    }
  }
  opened = {};
  if (!GetParam().remains) return;
  const auto at = files::exists(path_) ? path_ : folder_.path / "two/amc.db";
  if (at == path_) files::remove(path_.string() + "-wal");
  EXPECT_TRUE(has(at, id));
}

TEST_P(SqliteFileTakenAway, IsNoticedWithoutAChange) {
  const auto opened = open_sqlite({path_.string(), {}});
  accept(*opened.drivers.at(0));
  GetParam().happens(path_, folder_.path / "two");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  EXPECT_THROW(while (std::chrono::steady_clock::now() < deadline) opened.drivers.at(0)->due(1), unavailable);
}

TEST_P(SqliteFileTakenAway, ClosingTouchesNoFileOfOthers) {
  auto opened = open_sqlite({path_.string(), {}});
  accept(*opened.drivers.at(0));
  GetParam().happens(path_, folder_.path / "two");
  if (!files::exists(path_.parent_path())) files::create_directory(path_.parent_path());
  for (const auto* end : {"-wal", "-shm"})
    if (!files::exists(path_.string() + end)) std::ofstream(path_.string() + end) << "of others";
  const bool database_is_of_others = files::exists(path_) && GetParam().told.find("-wal") == std::string::npos;
  const auto before = bytes_of(path_);
  opened = {};
  for (const auto* end : {"-wal", "-shm"}) EXPECT_TRUE(files::exists(path_.string() + end));
  EXPECT_TRUE(!database_is_of_others || bytes_of(path_) == before);
}

TEST_F(SqliteFile, TheIndexOfItsLogTakenAwayIsNoticed) {
  const auto opened = open_sqlite({path_.string(), {}});
  files::remove(path_.string() + "-shm");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  EXPECT_THROW(while (std::chrono::steady_clock::now() < deadline) accept(*opened.drivers.at(0)), unavailable);
}

TEST_F(SqliteFile, AnotherFileIsNotGivenTheLogOfOneThatWasTakenAway) {
  auto opened = open_sqlite({path_.string(), {}});
  accept(*opened.drivers.at(0));
  make_other(folder_.path / "two/amc.db");
  const auto backup = bytes_of(folder_.path / "two/amc.db");
  overwrite(path_, backup);
  EXPECT_THROW(accept(*opened.drivers.at(0)), unavailable);
  opened = {};
  EXPECT_THAT(refusal(path_), AllOf(HasSubstr("overwritten"), HasSubstr("delete"), HasSubstr("amc.db-wal")));
  EXPECT_TRUE(bytes_of(path_) == backup);
  files::remove(path_.string() + "-wal");
  EXPECT_EQ(refusal(path_), "");
}

TEST_F(SqliteFile, AFileThatWasOnlyTouchedIsTakenWithItsLogOnceSomebodySaysSo) {
  auto opened = open_sqlite({path_.string(), {}});
  const auto id = accept(*opened.drivers.at(0));
  files::last_write_time(path_, files::last_write_time(path_) + std::chrono::seconds(1));
  EXPECT_THROW(accept(*opened.drivers.at(0)), unavailable);
  opened = {};
  const auto lock = path_.string() + ".lock";
  EXPECT_THAT(refusal(path_), AllOf(HasSubstr("delete " + lock), HasSubstr("move " + path_.string() + "-wal")));
  files::remove(lock);
  EXPECT_TRUE(has(path_, id));
}

TEST_F(SqliteFile, ALinkThatLeadsToNoFileIsRefusedAsSuch) {
  files::create_symlink("nowhere.db", path_);
  EXPECT_THAT(refusal(path_), AllOf(HasSubstr("leads to no file"), HasSubstr("broker.store.sqlite.path")));
}

TEST_F(SqliteFile, OneThatKeepsTextsOtherwiseIsRefused) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "PRAGMA encoding = 'UTF-16'; CREATE TABLE x (a); DROP TABLE x", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  EXPECT_THAT(refusal(path_), AllOf(HasSubstr("UTF-16"), HasSubstr("broker.store.sqlite.path")));
}

TEST_F(SqliteFile, AFileThatWasPutBackIsTaken) {
  auto opened = open_sqlite({path_.string(), {}});
  const auto id = accept(*opened.drivers.at(0));
  files::rename(path_, folder_.path / "two/amc.db");
  EXPECT_THROW(accept(*opened.drivers.at(0)), unavailable);
  opened = {};
  EXPECT_THAT(refusal(path_), HasSubstr("put that file back"));
  EXPECT_FALSE(files::exists(path_)) << "an empty store was made in its place";
  files::rename(folder_.path / "two/amc.db", path_);
  EXPECT_TRUE(has(path_, id));
}

TEST_F(SqliteFile, ItsOwnCheckpointsAreNoDamage) {
  auto opened = open_sqlite({path_.string(), {}});
  auto& store = *opened.drivers.at(0);
  const auto before = files::last_write_time(path_);
  while (files::last_write_time(path_) == before)
    for (int i = 0; i < 100; ++i) accept(store);
  const auto id = accept(store);
  opened = {};
  EXPECT_TRUE(has(path_, id));
}

TEST_F(SqliteFile, DamagedIsBroken) {
  constexpr std::streamoff page_bytes = 4'096;
  uuid id{};
  {
    const auto opened = open_sqlite({path_.string(), {}});
    id = accept(*opened.drivers.at(0));
  }
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(page_bytes);
    file << std::string(files::file_size(path_) - page_bytes, '\xff');
  }
  const auto opened = open_sqlite({path_.string(), {}});
  try {
    has(*opened.drivers.at(0), id);
    FAIL() << "read from a damaged file";
  } catch (const unavailable& failed) {
    EXPECT_EQ(failed.why(), unavailable::reason::broken);
    EXPECT_THAT(failed.what(), HasSubstr("damaged"));
  }
  EXPECT_THROW(opened.reader->list({}), unavailable);
}

}  // namespace
}  // namespace amc
