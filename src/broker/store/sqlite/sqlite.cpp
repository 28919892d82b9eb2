#include "broker/store/sqlite/sqlite.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace amc::broker {
namespace {

constexpr schema_step steps[] = {
    {"the table of messages and the index of what is due",
     // WITHOUT ROWID: one tree holds the row, and ids that grow append to it.
     R"sql(
CREATE TABLE message (
  id         BLOB    NOT NULL PRIMARY KEY,
  revision   INTEGER NOT NULL,
  status     TEXT    NOT NULL,
  queue      TEXT    NOT NULL,
  due        INTEGER NOT NULL,  -- milliseconds since 1970, as all times here
  held       INTEGER NOT NULL,
  claim      INTEGER NOT NULL,
  unanswered INTEGER NOT NULL,
  failures   INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  text       TEXT    NOT NULL
) WITHOUT ROWID;
CREATE INDEX message_due ON message (queue, due) WHERE status = 'pending';
)sql"},
};

constexpr const char* columns =
    "id, revision, status, queue, due, held, claim, unanswered, failures, created_at, updated_at, text";

timestamp wall_clock() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

/// The lock that makes this process the file's owner, for as long as it lives.
class file_lock {
 public:
  explicit file_lock(const std::string& path) : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (descriptor_ < 0)
      throw startup_error(path + ": cannot be written (" + std::strerror(errno) +
                          "); check the folder's permissions, or set broker.store.sqlite.path");
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(descriptor_);
      throw startup_error(path + ": another process owns this store; stop it, or set broker.store.sqlite.path");
    }
  }
  ~file_lock() { ::close(descriptor_); }
  file_lock(const file_lock&) = delete;
  file_lock& operator=(const file_lock&) = delete;

 private:
  int descriptor_;
};

class statement {
 public:
  statement(sqlite3* db, const std::string& sql) {
    if (sqlite3_prepare_v3(db, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr) != SQLITE_OK)
      throw startup_error(std::string("the store's file does not fit this version: ") + sqlite3_errmsg(db));
  }
  ~statement() { sqlite3_finalize(handle_); }
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;
  sqlite3_stmt* get() const { return handle_; }

 private:
  sqlite3_stmt* handle_ = nullptr;
};

class sqlite_store : public store {
 public:
  explicit sqlite_store(sqlite_options options)
      : path_(std::move(options.path)), now_(options.now ? std::move(options.now) : wall_clock) {
    make_folder();
    lock_ = std::make_unique<file_lock>(path_ + ".lock");
    open();
    starting([this] { configure(); });
  }

  /// To be called once after the making, before anything else.
  migration migrate(bool only_plan) {
    migration plan;
    starting([&] {
      const statement version(db_, "PRAGMA user_version");
      step(version.get());
      plan = plan_migration(sqlite3_column_int(version.get(), 0), steps, path_, "broker.store.sqlite.path");
      sqlite3_reset(version.get());
      for (int next = plan.from + 1; next <= plan.to && !only_plan; ++next)
        run("BEGIN IMMEDIATE;" + std::string(steps[next - 1].sql) + "PRAGMA user_version = " + std::to_string(next) +
            ";COMMIT;");
      if (!only_plan) prepare();
    });
    return plan;
  }

  ~sqlite_store() override { close(); }

  std::vector<outcome> apply(std::span<const change> batch) override {
    refuse_when_broken();
    set_durable(std::any_of(batch.begin(), batch.end(), [](const change& c) { return c.durable; }));
    execute(*begin_);
    try {
      std::vector<outcome> outcomes;
      outcomes.reserve(batch.size());
      const auto now = now_();
      for (const auto& what : batch) outcomes.push_back(apply_one(what, now));
      execute(*commit_);
      checkpoint_when_large();
      return outcomes;
    } catch (...) {
      // After some errors SQLite has rolled back by itself; then this does nothing.
      if (!sqlite3_get_autocommit(db_)) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
      throw;
    }
  }

  std::vector<row> find(std::span<const uuid> ids) override {
    refuse_when_broken();
    std::vector<row> rows;
    rows.reserve(ids.size());
    for (const auto& id : ids) rows.push_back(find_one(id));
    return rows;
  }

  std::vector<due_row> due(std::size_t limit) override {
    refuse_when_broken();
    std::vector<due_row> rows;
    const auto now = now_();
    for (const auto& queue : queues()) {
      auto* s = due_->get();
      bind_text(s, 1, queue);
      sqlite3_bind_int64(s, 2, now.time_since_epoch().count());
      sqlite3_bind_int64(s, 3, static_cast<std::int64_t>(limit));
      while (step(s))
        rows.push_back({id_at(s, 0), sqlite3_column_int(s, 1), queue, time_at(s, 2), sqlite3_column_int(s, 3) != 0});
    }
    return rows;
  }

  void make_all_due() override {
    refuse_when_broken();
    set_durable(false);
    sqlite3_bind_int64(make_all_due_->get(), 1, now_().time_since_epoch().count());
    execute(*make_all_due_);
  }

 private:
  void make_folder() {
    const auto folder = std::filesystem::path(path_).parent_path();
    std::error_code failed;
    if (!folder.empty()) std::filesystem::create_directories(folder, failed);
    if (failed)
      throw startup_error(folder.string() + ": cannot be made (" + failed.message() +
                          "); check permissions, or set broker.store.sqlite.path");
  }

  void open() {
    if (sqlite3_open_v2(path_.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        nullptr) != SQLITE_OK) {
      const std::string why = sqlite3_errmsg(db_);
      close();
      throw startup_error(path_ + ": cannot be opened (" + why +
                          "); check its permissions, or set broker.store.sqlite.path");
    }
    sqlite3_extended_result_codes(db_, 1);
  }

  void configure() {
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = FULL");
    // Checkpoints are run below, where a failed sync is noticed: SQLite's own ignore it.
    run("PRAGMA wal_autocheckpoint = 0");
    run("PRAGMA cache_size = -32768");
    run("PRAGMA temp_store = MEMORY");
    sqlite3_wal_hook(
        db_,
        [](void* self, sqlite3*, const char*, int pages) {
          static_cast<sqlite_store*>(self)->wal_pages_ = pages;
          return SQLITE_OK;
        },
        this);
  }

  /// A file that cannot be used at the start is a file that does not fit.
  template <class Work>
  void starting(const Work& work) {
    try {
      work();
    } catch (const unavailable& failed) {
      close();
      throw startup_error(failed.what() + std::string("; mend the file, or set broker.store.sqlite.path"));
    } catch (...) {
      close();
      throw;
    }
  }

  void prepare() {
    const std::string all = columns;
    const auto make = [&](const std::string& sql) { return std::make_unique<statement>(db_, sql); };
    begin_ = make("BEGIN IMMEDIATE");
    commit_ = make("COMMIT");
    find_ = make("SELECT " + all + " FROM message WHERE id = ?1");
    insert_ = make("INSERT INTO message (" + all + ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)");
    update_text_ = make(
        "UPDATE message SET revision=?2, status=?3, queue=?4, due=?5, held=?6, claim=?7, unanswered=?8, failures=?9, "
        "created_at=?10, updated_at=?11, text=?12 WHERE id=?1");
    update_ = make(
        "UPDATE message SET revision=?2, status=?3, queue=?4, due=?5, held=?6, claim=?7, unanswered=?8, failures=?9, "
        "created_at=?10, updated_at=?11 WHERE id=?1");
    next_queue_ = make("SELECT queue FROM message WHERE status = 'pending' AND queue > ?1 ORDER BY queue LIMIT 1");
    due_ = make(
        "SELECT id, revision, due, held FROM message WHERE status = 'pending' AND queue = ?1 AND due <= ?2 "
        "ORDER BY due LIMIT ?3");
    make_all_due_ = make("UPDATE message SET due = ?1 WHERE status = 'pending' AND held = 0 AND due > ?1");
  }

  void close() {
    for (auto* s : {&begin_, &commit_, &find_, &insert_, &update_text_, &update_, &next_queue_, &due_, &make_all_due_})
      s->reset();
    sqlite3_close(db_);
    db_ = nullptr;
  }

  outcome apply_one(const change& what, timestamp now) {
    const auto current = find_one(what.id);
    if (what.insert ? current != nullptr : !current || !admits(what.when, *current, now)) return {false, current, now};
    auto after = std::make_shared<const message>(changed(what, current.get(), now));
    write(what.insert ? *insert_ : what.then.text ? *update_text_ : *update_, *after);
    return {true, std::move(after), now};
  }

  void write(const statement& target, const message& m) {
    auto* s = target.get();
    sqlite3_bind_blob(s, 1, m.id.data, sizeof m.id.data, SQLITE_STATIC);
    sqlite3_bind_int(s, 2, m.revision);
    sqlite3_bind_text(s, 3, to_string(m.status), -1, SQLITE_STATIC);
    bind_text(s, 4, m.queue);
    sqlite3_bind_int64(s, 5, m.due.time_since_epoch().count());
    sqlite3_bind_int(s, 6, m.held);
    sqlite3_bind_int64(s, 7, m.claim);
    sqlite3_bind_int(s, 8, m.unanswered);
    sqlite3_bind_int(s, 9, m.failures);
    sqlite3_bind_int64(s, 10, m.created_at.time_since_epoch().count());
    sqlite3_bind_int64(s, 11, m.updated_at.time_since_epoch().count());
    if (&target != update_.get()) bind_text(s, 12, m.text);
    execute(target);
  }

  row find_one(const uuid& id) {
    auto* s = find_->get();
    sqlite3_bind_blob(s, 1, id.data, sizeof id.data, SQLITE_STATIC);
    if (!step(s)) return nullptr;
    auto found = std::make_shared<message>();
    found->id = id;
    found->revision = sqlite3_column_int(s, 1);
    found->status = parse_status(text_at(s, 2)).value_or(status::dead);
    found->queue = text_at(s, 3);
    found->due = time_at(s, 4);
    found->held = sqlite3_column_int(s, 5) != 0;
    found->claim = sqlite3_column_int64(s, 6);
    found->unanswered = sqlite3_column_int(s, 7);
    found->failures = sqlite3_column_int(s, 8);
    found->created_at = time_at(s, 9);
    found->updated_at = time_at(s, 10);
    found->text = text_at(s, 11);
    sqlite3_reset(s);
    return found;
  }

  /// The queues with pending rows: one probe of the index for each, whatever they hold.
  std::vector<std::string> queues() {
    std::vector<std::string> names{""};
    auto* s = next_queue_->get();
    for (;;) {
      bind_text(s, 1, names.back());
      if (!step(s)) break;
      names.push_back(text_at(s, 0));
      sqlite3_reset(s);
    }
    names.erase(names.begin());
    return names;
  }

  /// In WAL mode NORMAL leaves out the sync at commit and nothing else: a crash undoes whole transactions, and the next
  /// durable one syncs all before it.
  void set_durable(bool durable) {
    if (durable == durable_) return;
    run(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    durable_ = durable;
  }

  void checkpoint_when_large() {
    constexpr int pages_max = 2'000;
    if (wal_pages_ < pages_max) return;
    const int code = sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    // A checkpoint that finds no room just comes later; the log keeps what it has.
    if (is_failed_sync(code)) fail(code);
    if (code == SQLITE_OK) wal_pages_ = 0;
  }

  void refuse_when_broken() const {
    if (broken_)
      throw unavailable(unavailable::reason::broken, path_ + ": the disk failed to sync; restart to recover");
  }

  void run(const std::string& sql) {
    const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) fail(code);
  }

  void execute(const statement& s) {
    while (step(s.get())) {
    }
  }

  /// True for a row; false for the end, with the statement reset and its bindings released for the next use.
  bool step(sqlite3_stmt* s) {
    const int code = sqlite3_step(s);
    if (code == SQLITE_ROW) return true;
    sqlite3_reset(s);
    if (code != SQLITE_DONE) fail(code);
    return false;
  }

  static bool is_failed_sync(int code) { return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC; }

  [[noreturn]] void fail(int code) {
    const auto why = path_ + ": " + sqlite3_errstr(code) + " (" + std::to_string(code) + ")";
    if (is_failed_sync(code)) {
      // What a failed sync has left on the disk is unknown, and trying again would succeed without writing it.
      broken_ = true;
      // Closing must not try either: it would write what may be lost into the database and delete the log.
      sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
      throw unavailable(unavailable::reason::broken, why);
    }
    if ((code & 0xff) == SQLITE_FULL) throw unavailable(unavailable::reason::full, why + "; make room on its disk");
    throw unavailable(unavailable::reason::away, why);
  }

  static void bind_text(sqlite3_stmt* s, int index, const std::string& text) {
    sqlite3_bind_text64(s, index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  static std::string text_at(sqlite3_stmt* s, int column) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(s, column));
    return {text, static_cast<std::size_t>(sqlite3_column_bytes(s, column))};
  }
  static timestamp time_at(sqlite3_stmt* s, int column) {
    return timestamp(milliseconds(sqlite3_column_int64(s, column)));
  }
  static uuid id_at(sqlite3_stmt* s, int column) {
    uuid id{};
    if (sqlite3_column_bytes(s, column) == sizeof id.data)
      std::memcpy(id.data, sqlite3_column_blob(s, column), sizeof id.data);
    return id;
  }

  std::string path_;
  std::function<timestamp()> now_;
  std::unique_ptr<file_lock> lock_;
  sqlite3* db_ = nullptr;
  std::unique_ptr<statement> begin_, commit_, find_, insert_, update_text_, update_, next_queue_, due_, make_all_due_;
  bool durable_ = true;
  bool broken_ = false;
  int wal_pages_ = 0;
};

}  // namespace

opened_store open_sqlite(sqlite_options options) {
  auto driver = std::make_unique<sqlite_store>(std::move(options));
  driver->migrate(false);
  opened_store opened;
  opened.drivers.push_back(std::move(driver));
  return opened;
}

migration migrate_sqlite(sqlite_options options, bool only_plan) {
  return sqlite_store(std::move(options)).migrate(only_plan);
}

}  // namespace amc::broker
