#include "message_store/sqlite/database.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace amc::message_store::sqlite {
namespace {

void make_folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code failed;
  if (!folder.empty()) std::filesystem::create_directories(folder, failed);
  if (failed)
    throw startup_error(folder.string() + ": cannot be made (" + failed.message() +
                        "); check permissions, or set broker.store.sqlite.path");
}

/// Texts are nobody else's business. SQLite gives -wal and -shm the mode of the file itself.
void make_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor >= 0) ::close(descriptor);
}

bool is_failed_sync(int code) {
  return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
}

}  // namespace

file_lock::file_lock(const std::string& path) : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (descriptor_ < 0)
    throw startup_error(path + ": cannot be written (" + std::strerror(errno) +
                        "); check the folder's permissions, or set broker.store.sqlite.path");
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    ::close(descriptor_);
    throw startup_error(path + ": another process owns this store; stop it, or set broker.store.sqlite.path");
  }
}

file_lock::~file_lock() {
  ::close(descriptor_);
}

statement::statement(sqlite3* db, const std::string& sql) {
  if (sqlite3_prepare_v3(db, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr) != SQLITE_OK)
    throw startup_error(std::string("the store's file does not fit this version: ") + sqlite3_errmsg(db));
}

statement::~statement() {
  sqlite3_finalize(handle_);
}

void statement::bind(int parameter, const std::string& text) {
  sqlite3_bind_text64(handle_, parameter, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void statement::bind(int parameter, const uuid& id) {
  sqlite3_bind_blob(handle_, parameter, id.data, sizeof id.data, SQLITE_TRANSIENT);
}

void statement::bind(int parameter, std::int64_t number) {
  sqlite3_bind_int64(handle_, parameter, number);
}

std::string statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

uuid statement::id(int column) const {
  uuid id{};
  if (sqlite3_column_bytes(handle_, column) == sizeof id.data)
    std::memcpy(id.data, sqlite3_column_blob(handle_, column), sizeof id.data);
  return id;
}

database::database(std::string path, use how) : path_(std::move(path)) {
  if (how == use::owning) {
    make_folder_of(path_);
    lock_ = std::make_unique<file_lock>(path_ + ".lock");
    make_file(path_);
  }
  try {
    open(how);
    if (how == use::owning) starting([this] { configure(); });
  } catch (...) {
    close();
    throw;
  }
}

database::~database() {
  close();
}

void database::open(use how) {
  // Counting what is allocated takes a lock each time. Refused, and not missed, when SQLite is in use already.
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  const int rights = how == use::owning ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  if (sqlite3_open_v2(path_.c_str(), &db_, rights | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK)
    throw startup_error(path_ + ": cannot be opened (" + sqlite3_errmsg(db_) +
                        "); check its permissions, or set broker.store.sqlite.path");
  sqlite3_extended_result_codes(db_, 1);
  // Rows that are being written fit into a slot, so that writing them asks nobody for memory.
  constexpr int slot_bytes = 2'048, slots = 256;
  sqlite3_db_config(db_, SQLITE_DBCONFIG_LOOKASIDE, nullptr, slot_bytes, slots);
  // A reader that meets the owner in the middle of a commit takes its lock for a moment.
  constexpr int longest_wait_ms = 1'000;
  sqlite3_busy_timeout(db_, longest_wait_ms);
  run("PRAGMA temp_store = MEMORY");
}

void database::configure() {
  run("PRAGMA journal_mode = WAL");
  run("PRAGMA synchronous = FULL");
  // Checkpoints are run below, where a failed sync is noticed: SQLite's own ignore it.
  run("PRAGMA wal_autocheckpoint = 0");
  run("PRAGMA cache_size = -16384");
  // What a long look of a reader has made the log grow to is given back.
  run("PRAGMA journal_size_limit = 67108864");
  sqlite3_wal_hook(
      db_,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<database*>(self)->note_log(pages);
        return SQLITE_OK;
      },
      this);
  begin_ = std::make_unique<statement>(db_, "BEGIN IMMEDIATE");
  commit_ = std::make_unique<statement>(db_, "COMMIT");
}

void database::close() {
  begin_.reset();
  commit_.reset();
  sqlite3_close(db_);
  db_ = nullptr;
}

void database::run(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

bool database::step(const statement& s) {
  const int code = sqlite3_step(s.get());
  if (code == SQLITE_ROW) return true;
  sqlite3_reset(s.get());
  if (code != SQLITE_DONE) fail(code);
  return false;
}

void database::execute(const statement& s) {
  while (step(s)) {
  }
}

void database::roll_back() {
  // After some errors SQLite has rolled back by itself.
  if (!sqlite3_get_autocommit(db_)) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

/// In WAL mode NORMAL leaves out the sync at commit and nothing else: a crash undoes whole transactions, and the next
/// durable one syncs all before it.
void database::set_durable(bool durable) {
  if (durable == durable_) return;
  run(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  durable_ = durable;
}

void database::note_log(int pages) {
  if (pages < log_pages_) checkpoint_at_ = log_pages_max;  // it has started anew
  log_pages_ = pages;
}

void database::checkpoint_when_large() {
  if (log_pages_ < checkpoint_at_) return;
  const int code = sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  // A checkpoint that finds no room just comes later; the log keeps what it has. So it does where a reader is in the
  // way.
  if (is_failed_sync(code)) fail(code);
  if (code == SQLITE_OK) checkpoint_at_ = log_pages_ + log_pages_max / 4;
}

void database::refuse_when_broken() const {
  if (broken_) throw unavailable(unavailable::reason::broken, path_ + ": the disk failed to sync; restart to recover");
}

void database::fail(int code) {
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

}  // namespace amc::message_store::sqlite
