#include "broker/store/sqlite/sqlite.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>

#include "broker/store/attempts.hpp"
#include "core/uuid_source.hpp"

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
    {"failures and their history, leases and claims of each queue, expiry, idempotency keys, trace context",
     // The rows of these indexes end with the id: what is counted and listed is read from them alone.
     R"sql(
ALTER TABLE message ADD COLUMN lease INTEGER NOT NULL DEFAULT 10000;
ALTER TABLE message ADD COLUMN max_claims INTEGER NOT NULL DEFAULT 5;
ALTER TABLE message ADD COLUMN attempts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE message ADD COLUMN expires_at INTEGER;
ALTER TABLE message ADD COLUMN idempotency_key TEXT;
ALTER TABLE message ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
DROP INDEX message_due;
CREATE INDEX message_due ON message (queue, due, held) WHERE status = 'pending';
CREATE INDEX message_expiry ON message (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;
CREATE INDEX message_dead ON message (queue) WHERE status = 'dead';
CREATE UNIQUE INDEX message_key ON message (idempotency_key) WHERE idempotency_key IS NOT NULL;
)sql"},
};

constexpr const char* columns =
    "id, revision, status, queue, due, held, claim, unanswered, failures, created_at, updated_at, lease, max_claims, "
    "attempts, expires_at, idempotency_key, fingerprint, traceparent, text";

/// Rows that one page looks at, at most.
constexpr int list_scan_max = 10'000;

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
      while (step(s)) rows.push_back(due_row_at(s, false));
    }
    auto* s = expired_->get();
    sqlite3_bind_int64(s, 1, now.time_since_epoch().count());
    sqlite3_bind_int64(s, 2, static_cast<std::int64_t>(limit));
    while (step(s)) rows.push_back(due_row_at(s, true));
    return rows;
  }

  void make_all_due() override {
    refuse_when_broken();
    set_durable(false);
    sqlite3_bind_int64(make_all_due_->get(), 1, now_().time_since_epoch().count());
    execute(*make_all_due_);
  }

  message_page list(const list_filter& filter) override {
    refuse_when_broken();
    message_page page;
    auto* s = filter.status == status::dead ? list_dead_->get() : list_->get();
    bind_id(s, 1, filter.after);
    sqlite3_bind_int(s, 2, list_scan_max);
    uuid last{};
    int looked_at = 0;
    bool full = false;
    while (!full && step(s)) {
      ++looked_at;
      last = id_at(s, 0);
      auto found = row_at(s);
      const bool fits =
          (!filter.status || found->status == *filter.status) && (filter.queue.empty() || found->queue == filter.queue);
      if (fits) page.rows.push_back(std::move(found));
      full = page.rows.size() >= filter.limit;
    }
    sqlite3_reset(s);
    if (full || looked_at == list_scan_max) page.next = last;
    return page;
  }

  std::vector<queue_counts> counts() override {
    refuse_when_broken();
    std::map<std::string, queue_counts> queues;
    auto* s = count_pending_->get();
    sqlite3_bind_int64(s, 1, now_().time_since_epoch().count());
    while (step(s)) {
      auto& q = queues[text_at(s, 0)];
      q.pending = static_cast<std::size_t>(sqlite3_column_int64(s, 1));
      q.due = static_cast<std::size_t>(sqlite3_column_int64(s, 2));
      q.held = static_cast<std::size_t>(sqlite3_column_int64(s, 3));
      q.oldest = time_of(id_at(s, 4));
    }
    s = count_dead_->get();
    while (step(s)) queues[text_at(s, 0)].dead = static_cast<std::size_t>(sqlite3_column_int64(s, 1));
    std::vector<queue_counts> all;
    for (auto& [name, q] : queues) {
      q.queue = name;
      all.push_back(q);
    }
    return all;
  }

  purged purge(const purge_request& what) override {
    refuse_when_broken();
    set_durable(false);
    const auto now = now_();
    // Ids begin with the time of their making: what is younger than both ages has not been terminal for so long.
    const auto youngest = id_at_time(now - std::min(what.kept, what.dead_kept));
    auto* s = purge_scan_->get();
    bind_id(s, 1, what.after);
    bind_id(s, 2, youngest);
    sqlite3_bind_int64(s, 3, static_cast<std::int64_t>(what.limit));
    std::vector<uuid> old;
    purged done;
    std::size_t looked_at = 0;
    uuid last{};
    while (step(s)) {
      ++looked_at;
      last = id_at(s, 0);
      const auto state = parse_status(text_at(s, 1)).value_or(status::dead);
      const auto kept = state == status::dead ? what.dead_kept : what.kept;
      if (state != status::pending && time_at(s, 2) <= now - kept) old.push_back(last);
    }
    if (looked_at == what.limit) done.next = last;
    if (!old.empty()) remove_all(old);
    done.count = old.size();
    return done;
  }

  void try_writing() override {
    refuse_when_broken();
    set_durable(true);
    // It is this already; the page that holds it is written all the same.
    run("PRAGMA user_version = " + std::to_string(std::size(steps)));
    checkpoint_when_large();
  }

  timestamp now() override { return now_(); }

 private:
  void remove_all(const std::vector<uuid>& ids) {
    run("BEGIN IMMEDIATE");
    try {
      for (const auto& id : ids) {
        bind_id(delete_->get(), 1, id);
        execute(*delete_);
      }
      execute(*commit_);
    } catch (...) {
      if (!sqlite3_get_autocommit(db_)) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
      throw;
    }
    checkpoint_when_large();
  }

  void make_folder() {
    const auto folder = std::filesystem::path(path_).parent_path();
    std::error_code failed;
    if (!folder.empty()) std::filesystem::create_directories(folder, failed);
    if (failed)
      throw startup_error(folder.string() + ": cannot be made (" + failed.message() +
                          "); check permissions, or set broker.store.sqlite.path");
  }

  /// Texts are nobody else's business. SQLite gives -wal and -shm the mode of the file itself.
  void make_file() const {
    const int descriptor = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor >= 0) ::close(descriptor);
  }

  void open() {
    make_file();
    // Counting what is allocated takes a lock each time. Refused, and not missed, when SQLite is in use already.
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (sqlite3_open_v2(path_.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        nullptr) != SQLITE_OK) {
      const std::string why = sqlite3_errmsg(db_);
      close();
      throw startup_error(path_ + ": cannot be opened (" + why +
                          "); check its permissions, or set broker.store.sqlite.path");
    }
    sqlite3_extended_result_codes(db_, 1);
    // Rows that are being written fit into a slot, so that writing them asks nobody for memory.
    constexpr int slot_bytes = 2'048, slots = 256;
    sqlite3_db_config(db_, SQLITE_DBCONFIG_LOOKASIDE, nullptr, slot_bytes, slots);
  }

  void configure() {
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = FULL");
    // Checkpoints are run below, where a failed sync is noticed: SQLite's own ignore it.
    run("PRAGMA wal_autocheckpoint = 0");
    run("PRAGMA cache_size = -16384");
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
    find_key_ = make("SELECT " + all + " FROM message WHERE idempotency_key = ?1");
    drop_key_ = make("UPDATE message SET idempotency_key = NULL WHERE idempotency_key = ?1 AND created_at <= ?2");
    insert_ = make("INSERT INTO message (" + all +
                   ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)");
    // Where the status stays, the indexes of some states only need no look.
    const std::string standing =
        "UPDATE message SET revision=?2, due=?5, held=?6, claim=?7, unanswered=?8, failures=?9, updated_at=?11, "
        "lease=?12, max_claims=?13, attempts=?14";
    update_standing_ = make(standing + " WHERE id=?1");
    update_ = make(standing + ", status=?3, queue=?4, text=?19 WHERE id=?1");
    next_queue_ = make("SELECT queue FROM message WHERE status = 'pending' AND queue > ?1 ORDER BY queue LIMIT 1");
    const std::string due_columns = "id, revision, queue, due, held, unanswered, max_claims, traceparent";
    due_ = make("SELECT " + due_columns +
                " FROM message WHERE status = 'pending' AND queue = ?1 AND due <= ?2 ORDER BY due LIMIT ?3");
    expired_ = make("SELECT " + due_columns +
                    " FROM message WHERE status = 'pending' AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2");
    list_ = make("SELECT " + all + " FROM message WHERE id > ?1 ORDER BY id LIMIT ?2");
    list_dead_ = make("SELECT " + all + " FROM message WHERE status = 'dead' AND id > ?1 ORDER BY id LIMIT ?2");
    count_pending_ = make(
        "SELECT queue, count(*), sum(due <= ?1), sum(held), min(id) FROM message WHERE status = 'pending' "
        "GROUP BY queue");
    count_dead_ = make("SELECT queue, count(*) FROM message WHERE status = 'dead' GROUP BY queue");
    purge_scan_ = make("SELECT id, status, updated_at FROM message WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3");
    delete_ = make("DELETE FROM message WHERE id = ?1");
    make_all_due_ = make("UPDATE message SET due = ?1 WHERE status = 'pending' AND held = 0 AND due > ?1");
  }

  void close() {
    for (auto* s :
         {&begin_, &commit_, &find_, &find_key_, &drop_key_, &insert_, &update_, &update_standing_, &next_queue_, &due_,
          &expired_, &make_all_due_, &list_, &list_dead_, &count_dead_, &purge_scan_, &delete_, &count_pending_})
      s->reset();
    sqlite3_close(db_);
    db_ = nullptr;
  }

  outcome apply_one(const change& what, timestamp now) {
    auto current = find_one(what.id);
    if (!current && what.insert && what.then.once) current = find_key(*what.then.once, now);
    if (what.insert ? current != nullptr : !current || !admits(what.when, *current, now)) return {false, current, now};
    auto after = std::make_shared<const message>(changed(what, current.get(), now));
    const bool moves = what.then.text || what.then.status || what.then.queue;
    write(what.insert ? *insert_ : moves ? *update_ : *update_standing_, *after);
    return {true, std::move(after), now};
  }

  /// The row that has this key; a key that is too old is taken from its row.
  row find_key(const idempotency& once, timestamp now) {
    bind_text(drop_key_->get(), 1, once.key);
    sqlite3_bind_int64(drop_key_->get(), 2, (now - once.kept).time_since_epoch().count());
    execute(*drop_key_);
    auto* s = find_key_->get();
    bind_text(s, 1, once.key);
    if (!step(s)) return nullptr;
    auto found = row_at(s);
    sqlite3_reset(s);
    return found;
  }

  void write(const statement& target, const message& m) {
    auto* s = target.get();
    const auto attempts = attempts_text(m.attempts);
    bind_id(s, 1, m.id);
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
    sqlite3_bind_int64(s, 12, m.lease.count());
    sqlite3_bind_int(s, 13, m.max_claims);
    bind_text(s, 14, attempts);
    if (&target == insert_.get()) {
      if (m.expires_at) sqlite3_bind_int64(s, 15, m.expires_at->time_since_epoch().count());
      if (!m.idempotency_key.empty()) bind_text(s, 16, m.idempotency_key);
      bind_text(s, 17, m.fingerprint);
      bind_text(s, 18, m.traceparent);
    }
    if (&target != update_standing_.get()) bind_text(s, 19, m.text);
    execute(target);
    sqlite3_clear_bindings(s);
  }

  row find_one(const uuid& id) {
    auto* s = find_->get();
    bind_id(s, 1, id);
    if (!step(s)) return nullptr;
    auto found = row_at(s);
    sqlite3_reset(s);
    return found;
  }

  static row row_at(sqlite3_stmt* s) {
    auto found = std::make_shared<message>();
    found->id = id_at(s, 0);
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
    found->lease = milliseconds(sqlite3_column_int64(s, 11));
    found->max_claims = sqlite3_column_int(s, 12);
    found->attempts = parse_attempts(text_at(s, 13));
    if (sqlite3_column_type(s, 14) != SQLITE_NULL) found->expires_at = time_at(s, 14);
    if (sqlite3_column_type(s, 15) != SQLITE_NULL) found->idempotency_key = text_at(s, 15);
    found->fingerprint = text_at(s, 16);
    found->traceparent = text_at(s, 17);
    found->text = text_at(s, 18);
    return found;
  }

  static due_row due_row_at(sqlite3_stmt* s, bool expired) {
    const int unanswered = sqlite3_column_int(s, 5);
    return {.id = id_at(s, 0),
            .revision = sqlite3_column_int(s, 1),
            .queue = text_at(s, 2),
            .due = time_at(s, 3),
            .held = sqlite3_column_int(s, 4) != 0,
            .unanswered = unanswered,
            .used_up = unanswered >= sqlite3_column_int(s, 6),
            .expired = expired,
            .traceparent = text_at(s, 7)};
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

  static void bind_id(sqlite3_stmt* s, int index, const uuid& id) {
    sqlite3_bind_blob(s, index, id.data, sizeof id.data, SQLITE_TRANSIENT);
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
  std::unique_ptr<statement> begin_, commit_, find_, find_key_, drop_key_, insert_, update_, update_standing_,
      next_queue_, due_, expired_, make_all_due_, list_, list_dead_, count_pending_, count_dead_, purge_scan_, delete_;
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
  // Opening would make the file.
  if (only_plan && !std::filesystem::exists(options.path))
    return plan_migration(0, steps, options.path, "broker.store.sqlite.path");
  return sqlite_store(std::move(options)).migrate(only_plan);
}

}  // namespace amc::broker
