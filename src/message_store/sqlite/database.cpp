#include "message_store/sqlite/database.hpp"

#include <cstring>
#include <filesystem>

#include "core/hex.hpp"
#include "core/log.hpp"
#include "message_store/attempts.hpp"
#include "message_store/headers.hpp"

namespace amc::message_store::sqlite {
namespace {

using clock = std::chrono::steady_clock;

void make_folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code failed;
  if (!folder.empty()) std::filesystem::create_directories(folder, failed);
  if (failed)
    throw startup_error(folder.string() + ": cannot be made (" + failed.message() +
                        "); check permissions, or set broker.store.sqlite.path");
}

bool is_failed_sync(int code) {
  return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
}

/// What the file holds is not what was written into it.
bool is_of_a_damaged_file(int code) {
  const int kind = code & 0xff;
  return kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB || code == SQLITE_IOERR_SHORT_READ ||
         code == SQLITE_IOERR_DATA || code == SQLITE_IOERR_CORRUPTFS || code == SQLITE_READONLY_DBMOVED;
}

/// What was bound, or a row that was met, does not go with the table; everything else does.
bool is_of_one_row(int code) {
  const int kind = code & 0xff;
  return kind == SQLITE_TOOBIG || kind == SQLITE_CONSTRAINT || kind == SQLITE_MISMATCH;
}

// not covered: no memory left
unavailable out_of_memory() {
  return {unavailable::reason::away, "SQLite has no memory left"};
}

std::string as_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : std::filesystem::absolute(path).string())
    if (c == '%' || c == '?' || c == '#')
      uri.append(c == '%' ? "%25" : c == '?' ? "%3f" : "%23");
    else
      uri += c;
  return uri;
}

}  // namespace

statement::statement(sqlite3* db, const std::string& sql) {
  if (sqlite3_prepare_v3(db, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr) != SQLITE_OK)
    throw startup_error(std::string(sqlite3_db_filename(db, "main")) + ": its tables do not fit this version (" +
                        sqlite3_errmsg(db) +
                        "), as after changes by hand; put a backup back, or set broker.store.sqlite.path");
}

statement::~statement() {
  sqlite3_finalize(handle_);
}

void statement::check_bound(int code) const {
  if (code == SQLITE_OK) return;
  // not covered: no memory left, or a text of more than SQLite's gigabyte
  if (code == SQLITE_NOMEM) throw out_of_memory();
  if (is_of_one_row(code)) throw row_fault(std::string("a value is ") + sqlite3_errstr(code));
  throw std::logic_error(std::string("binding: ") + sqlite3_errstr(code));
}

void statement::bind(int parameter, const std::string& text) {
  check_bound(sqlite3_bind_text64(handle_, parameter, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void statement::bind_constant(int parameter, std::string_view text) {
  check_bound(sqlite3_bind_text64(handle_, parameter, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void statement::bind_copy(int parameter, std::string_view text) {
  check_bound(sqlite3_bind_text64(handle_, parameter, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void statement::bind(int parameter, const uuid& id) {
  check_bound(sqlite3_bind_blob(handle_, parameter, id.data, sizeof id.data, SQLITE_STATIC));
}

void statement::bind_null(int parameter) {
  check_bound(sqlite3_bind_null(handle_, parameter));
}

void statement::bind(int parameter, std::int64_t number) {
  check_bound(sqlite3_bind_int64(handle_, parameter, number));
}

/// Adds the column's name to what is wrong with it.
template <class Read>
auto statement::read(int column, const Read& how) const {
  try {
    return how();
  } catch (const row_fault& fault) {
    throw row_fault(std::string(sqlite3_column_name(handle_, column)) + ": " + fault.what());
  }
}

/// The type is asked for first: reading a value may convert it.
std::string_view statement::bytes(int column, int type) const {
  if (sqlite3_column_type(handle_, column) != type) throw row_fault("a value of another type");
  const auto* at = type == SQLITE_TEXT ? static_cast<const void*>(sqlite3_column_text(handle_, column))
                                       : sqlite3_column_blob(handle_, column);
  const auto count = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
  if (!at && (count > 0 || type == SQLITE_TEXT)) throw out_of_memory();
  return {static_cast<const char*>(at), count};
}

uuid statement::id(int column) const {
  return read(column, [&] {
    const auto found = bytes(column, SQLITE_BLOB);
    uuid id{};
    if (found.size() != sizeof id.data) throw row_fault(std::to_string(found.size()) + " bytes are no id");
    std::memcpy(id.data, found.data(), sizeof id.data);
    return id;
  });
}

std::string statement::text(int column) const {
  return read(column, [&] { return std::string(checked_text(bytes(column, SQLITE_TEXT))); });
}

std::string statement::text_as_it_is(int column) const {
  return read(column, [&] { return std::string(bytes(column, SQLITE_TEXT)); });
}

std::string statement::name_of_row(int column) const {
  constexpr std::size_t shown_max = 40;
  const auto* at = static_cast<const unsigned char*>(sqlite3_column_blob(handle_, column));
  const auto count = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
  if (uuid id{}; at && count == sizeof id.data) {
    std::memcpy(id.data, at, count);
    return to_string(id);
  }
  std::string hex;
  for (std::size_t i = 0; at && i < std::min(count, shown_max); ++i) append_hex(hex, at[i]);
  return "X'" + hex + (count > shown_max ? "…" : "") + "'";
}

std::int64_t statement::number(int column) const {
  return read(column, [&] {
    if (sqlite3_column_type(handle_, column) != SQLITE_INTEGER) throw row_fault("a value of another type");
    return std::int64_t{sqlite3_column_int64(handle_, column)};
  });
}

int statement::count(int column) const {
  const auto value = number(column);
  return read(column, [&] { return checked_count(value); });
}

bool statement::flag(int column) const {
  const auto value = number(column);
  return read(column, [&] { return checked_flag(value); });
}

timestamp statement::time(int column) const {
  const auto value = number(column);
  return read(column, [&] { return checked_time(value); });
}

milliseconds statement::duration(int column) const {
  const auto value = number(column);
  return read(column, [&] { return checked_duration(value); });
}

amc::status statement::status(int column) const {
  return read(column, [&] { return checked_status(bytes(column, SQLITE_TEXT)); });
}

std::vector<attempt> statement::attempts(int column) const {
  return read(column, [&] { return parse_attempts(checked_text(bytes(column, SQLITE_TEXT))); });
}

content_form statement::form(int column) const {
  return read(column, [&] { return checked_form(bytes(column, SQLITE_TEXT)); });
}

std::vector<header> statement::headers(int column) const {
  return read(column, [&] { return parse_headers(checked_text(bytes(column, SQLITE_TEXT))); });
}

database::database(std::string path, use how) : path_(std::move(path)) {
  if (how == use::owning) make_folder_of(path_);
  if (how != use::reading)
    file_ = std::make_unique<owned_file>(path_, how == use::owning ? file_lock::how::owning : file_lock::how::looking);
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
  if (how == use::owning) connect(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (how == use::reading) connect(path_, SQLITE_OPEN_READONLY);
  if (how == use::looking) open_to_look();
}

void database::connect(const std::string& name, int rights) {
  if (sqlite3_open_v2(name.c_str(), &db_, rights | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK)
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

/// A log that a crash has left is read as well: with an index in memory alone, and left as it is.
void database::open_to_look() {
  std::error_code none;
  const auto bytes = std::filesystem::file_size(log_of(path_), none);
  if (none || bytes == 0) return connect(as_uri(path_) + "?immutable=1", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
  connect(path_, SQLITE_OPEN_READWRITE);
  keep_log();
  run("PRAGMA locking_mode = EXCLUSIVE");
}

void database::configure() {
  run("PRAGMA encoding");  // where the file is no database this says so
  // Another encoding changes some characters.
  if (const auto encoding = asked("PRAGMA encoding"); encoding != "UTF-8")
    throw startup_error(path_ + ": keeps texts as " + encoding +
                        ", and AMC's are UTF-8; set broker.store.sqlite.path to another file");
  run("PRAGMA journal_mode = WAL");
  // Where that cannot be had SQLite goes on without.
  if (asked("PRAGMA journal_mode") != "wal")
    throw startup_error(path_ +
                        ": cannot have a write-ahead log there; let broker.store.sqlite.path be a file on a disk");
  run("PRAGMA synchronous = FULL");
  // Checkpoints are run below, where a failed sync is noticed: SQLite's own ignore it.
  run("PRAGMA wal_autocheckpoint = 0");
  run("PRAGMA cache_size = -16384");
  // What a long look of a reader has made the log grow to is given back.
  run("PRAGMA journal_size_limit = 67108864");
  sqlite3_wal_hook(db_, note_log_of, this);
  begin_ = std::make_unique<statement>(db_, "BEGIN IMMEDIATE");
  commit_ = std::make_unique<statement>(db_, "COMMIT");
  watch_files();
}

void database::watch_files() {
  run("SELECT count(*) FROM sqlite_schema");  // opens the log, and recovers it
  page_bytes_ = std::stoi(asked("PRAGMA page_size"));
  const char* name = sqlite3_db_filename(db_, "main");
  file_->watch(name, sqlite3_filename_wal(name), std::string(name) + "-shm");
  check(file_->damage());  // between the lock and the opening
}

std::string database::asked(const std::string& pragma) {
  statement s(db_, pragma);
  if (!step(s)) return {};
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(s.get(), 0));
  if (!text) throw out_of_memory();
  return text;
}

void database::close() {
  begin_.reset();
  commit_.reset();
  // The child of a fork has no share in SQLite's locks: closing there would delete the log under its parent.
  if (::getpid() != opener_) return;
  if (file_ && broken_.empty())
    if (const auto damage = file_->damage()) log::critical("store", give_up(*damage));
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
  std::string why;
  if (is_of_one_row(code)) why = sqlite3_errmsg(db_);
  sqlite3_reset(s.get());
  if (is_of_one_row(code)) throw row_fault(why);
  if (code != SQLITE_DONE) fail(code);
  return false;
}

void database::execute(statement& s) {
  const ending in_the_end(s);
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

int database::note_log_of(void* self, sqlite3*, const char*, int pages) {
  static_cast<database*>(self)->note_log(pages);
  return SQLITE_OK;
}

void database::note_log(int pages) {
  constexpr std::int64_t header_bytes = 32, frame_header_bytes = 24;
  if (pages < log_pages_) checkpoint_at_ = log_pages_max;  // it has started anew
  log_pages_ = pages;
  file_->note_log(header_bytes + pages * (frame_header_bytes + page_bytes_));
}

void database::after_commit() {
  if (durable_) check(file_->damage());
  if (log_pages_ >= checkpoint_at_) checkpoint();
}

void database::checkpoint() {
  const int code = sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  file_->note_written();
  // A checkpoint that finds no room just comes later; the log keeps what it has. So it does where a reader is in the
  // way.
  if (is_failed_sync(code) || is_of_a_damaged_file(code)) fail(code);
  if (code == SQLITE_OK) checkpoint_at_ = log_pages_ + log_pages_max / 4;
}

void database::refuse_when_broken() {
  if (!broken_.empty()) throw unavailable(unavailable::reason::broken, broken_);
  if (::getpid() != opener_) break_down(path_ + ": was opened before a fork, by the parent; open it anew");
  if (const auto now = clock::now(); file_ && now >= next_look_) {
    constexpr milliseconds between_looks{100};
    next_look_ = now + between_looks;
    check(file_->damage());
    check(file_->damage_of_index());
  }
}

void database::refuse_a_cut_log() {
  check(file_->cut_of_log());
}

void database::check(const std::optional<std::string>& damage) {
  if (damage) break_down(give_up(*damage));
}

/// What the log still holds goes into the file that it belongs to, wherever that is now. The names may lead to other
/// files, which are left as they are.
std::string database::give_up(const std::string& damage) {
  std::string rest = "; what was answered last may be missing in it";
  if (file_->can_be_completed()) {
    const int code = sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_FULL, nullptr, nullptr);
    file_->note_written();
    if (code == SQLITE_OK) rest = "; the file that was in use has all that was answered";
  }
  file_->leave_note();
  keep_log();
  return damage + " while it was in use" + rest +
         ". Put it back, or restore a backup without its -wal and -shm, and "
         "start again";
}

/// Closing neither writes it into the database nor deletes it.
void database::keep_log() {
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

void database::break_down(const std::string& why) {
  broken_ = why;
  keep_log();
  throw unavailable(unavailable::reason::broken, why);
}

void database::fail(int code) {
  const auto why = path_ + ": " + sqlite3_errstr(code) + " (" + std::to_string(code) + ")";
  // What a failed sync has left on the disk is unknown, and trying again would succeed without writing it.
  if (is_failed_sync(code)) break_down(why + ": the disk failed to sync; a restart recovers what is on it");
  if (is_of_a_damaged_file(code)) {
    if (file_) check(file_->damage());
    break_down(why + ": the file is damaged; restore a backup, or save what it has with sqlite3's \".recover\"");
  }
  const bool full = (code & 0xff) == SQLITE_FULL;
  throw unavailable(full ? unavailable::reason::full : unavailable::reason::away,
                    full ? why + "; make room on its disk" : why);
}

}  // namespace amc::message_store::sqlite
