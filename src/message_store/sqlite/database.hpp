#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>

#include "amc/error.hpp"
#include "amc/message.hpp"

namespace amc::message_store::sqlite {

/// The lock that makes this process the file's owner, for as long as it lives. Throws startup_error.
class file_lock {
 public:
  explicit file_lock(const std::string& path);
  ~file_lock();
  file_lock(const file_lock&) = delete;
  file_lock& operator=(const file_lock&) = delete;

 private:
  int descriptor_;
};

/// Parameters are counted from 1, columns from 0.
class statement {
 public:
  /// Throws startup_error when the file does not know what the statement names.
  statement(sqlite3* db, const std::string& sql);
  ~statement();
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;

  sqlite3_stmt* get() const { return handle_; }

  /// A text must live until the statement was stepped through.
  void bind(int parameter, const std::string& text);
  void bind(int parameter, const uuid& id);
  void bind(int parameter, std::int64_t number);
  void bind(int parameter, timestamp time) { bind(parameter, time.time_since_epoch().count()); }
  /// What was bound counts no more.
  void clear() { sqlite3_clear_bindings(handle_); }
  /// Ends it before its last row.
  void reset() { sqlite3_reset(handle_); }

  bool is_null(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }
  std::string text(int column) const;
  std::int64_t number(int column) const { return sqlite3_column_int64(handle_, column); }
  timestamp time(int column) const { return timestamp(milliseconds(number(column))); }
  uuid id(int column) const;

 private:
  sqlite3_stmt* handle_ = nullptr;
};

/// Ends a statement with its scope, whatever ends that: a look that stays open would keep the log from starting anew.
class ending {
 public:
  explicit ending(statement& s) : statement_(s) {}
  ~ending() { statement_.reset(); }
  ending(const ending&) = delete;
  ending& operator=(const ending&) = delete;

 private:
  statement& statement_;
};

/// A connection to one file in WAL mode that this process owns; for one thread. What cannot be done is thrown as
/// `unavailable`. After a sync that failed nobody knows what the disk has: then it is broken, for good.
class database {
 public:
  /// Owning makes the file, and its folder, where there is none. Reading sees what the owner, in this process, has
  /// committed, and writes nothing; the owner must live longer. Throws startup_error.
  enum class use { owning, reading };
  explicit database(std::string path, use how = use::owning);
  ~database();
  database(const database&) = delete;
  database& operator=(const database&) = delete;

  const std::string& path() const { return path_; }
  sqlite3* handle() const { return db_; }

  void run(const std::string& sql);
  /// True for a row; false for the end, with the statement reset for its next use.
  bool step(const statement& s);
  void execute(const statement& s);

  /// All of it or nothing; durable when it returns, if `set_durable` said so.
  template <class Work>
  void in_transaction(const Work& work) {
    execute(*begin_);
    try {
      work();
      execute(*commit_);
    } catch (...) {
      roll_back();
      throw;
    }
    checkpoint_when_large();
  }

  void set_durable(bool durable);
  /// The log goes on growing until this finds it large; then its pages go into the file, but for those that a reader
  /// still needs.
  void checkpoint_when_large();
  void refuse_when_broken() const;

  /// A file that cannot be used at the start is a file that does not fit: startup_error.
  template <class Work>
  void starting(const Work& work) const {
    try {
      work();
    } catch (const unavailable& failed) {
      throw startup_error(failed.what() + std::string("; mend the file, or set broker.store.sqlite.path"));
    }
  }

 private:
  static constexpr int log_pages_max = 2'000;

  void open(use how);
  void configure();
  void close();
  void roll_back();
  void note_log(int pages);
  [[noreturn]] void fail(int code);

  std::string path_;
  std::unique_ptr<file_lock> lock_;
  sqlite3* db_ = nullptr;
  std::unique_ptr<statement> begin_, commit_;
  bool durable_ = true;
  bool broken_ = false;
  int log_pages_ = 0;
  int checkpoint_at_ = log_pages_max;
};

}  // namespace amc::message_store::sqlite
