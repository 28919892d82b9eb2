#include "message_store/sqlite/sqlite.hpp"

#include <sqlite3.h>

#include "tests/benchmarks/probes/store_driver.hpp"

namespace amc::benchmarks {
namespace {

/// The loop that somebody would write who knows SQLite and nothing else: the store's tables and settings, a transaction
/// for each batch, and no more columns read or written than a change needs.
class raw_sqlite {
 public:
  raw_sqlite(const std::string& path, amount work) : work_(work) {
    message_store::migrate_sqlite({path, {}}, false);
    check(sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr));
    run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000;"
        "PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY");
    begin_ = prepare("BEGIN IMMEDIATE");
    commit_ = prepare("COMMIT");
    insert_ = prepare(
        "INSERT INTO message (id, revision, status, queue, due, held, claim, unanswered, failures, created_at, "
        "updated_at, text) VALUES (?1, 1, 'pending', 'topic-a', ?2, 0, 0, 0, 0, ?3, ?3, ?4)");
    update_ = prepare(
        "UPDATE message SET text = ?4, revision = revision + 1, queue = 'topic-b', due = ?2, held = 0, unanswered = 0, "
        "failures = 0, updated_at = ?3 WHERE id = ?1 AND status = 'pending' AND revision = 1");
  }

  ~raw_sqlite() {
    for (auto* s : {begin_, commit_, insert_, update_}) sqlite3_finalize(s);
    sqlite3_close(db_);
  }
  raw_sqlite(const raw_sqlite&) = delete;
  raw_sqlite& operator=(const raw_sqlite&) = delete;

  double insert() {
    ids_ = make_ids(work_.count);
    return write(insert_, first_text);
  }
  double update() { return write(update_, second_text); }

 private:
  double write(sqlite3_stmt* s, const char* text) {
    const stopwatch watch;
    in_batches(ids_, work_.batch, [&](std::span<const uuid> ids) {
      const auto now = std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
      step(begin_);
      for (const auto& id : ids) {
        sqlite3_bind_blob(s, 1, id.data, sizeof id.data, SQLITE_STATIC);
        sqlite3_bind_int64(s, 2, now.count() + 30'000);
        sqlite3_bind_int64(s, 3, now.count());
        sqlite3_bind_text(s, 4, text, -1, SQLITE_STATIC);
        step(s);
        require(sqlite3_changes(db_) == 1, "raw sqlite: a row was not changed");
      }
      step(commit_);
    });
    return watch.seconds();
  }

  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* s = nullptr;
    check(sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, nullptr));
    return s;
  }
  void run(const char* sql) { check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr)); }
  void step(sqlite3_stmt* s) {
    require(sqlite3_step(s) == SQLITE_DONE, "raw sqlite: a statement failed");
    sqlite3_reset(s);
  }
  void check(int code) { require(code == SQLITE_OK, "raw sqlite: " + std::string(sqlite3_errstr(code))); }

  amount work_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt *begin_ = nullptr, *commit_ = nullptr, *insert_ = nullptr, *update_ = nullptr;
  std::vector<uuid> ids_;
};

}  // namespace

std::vector<probe> sqlite_probes(const std::string& folder, amount work) {
  const auto raw = std::make_shared<raw_sqlite>(folder + "/raw.db", work);
  const auto driver = std::make_shared<store_driver>(message_store::open_sqlite({folder + "/driver.db", {}}), work);
  return {{"sqlite insert", [raw] { return raw->insert(); }, [driver] { return driver->insert(); }},
          {"sqlite guarded update", [raw] { return raw->update(); }, [driver] { return driver->update(); }}};
}

}  // namespace amc::benchmarks
