#pragma once

#include <sqlite3.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include "core/error.hpp"
#include "core/message.hpp"
#include "message_store/row_fault.hpp"
#include "message_store/sqlite/owned_file.hpp"

namespace amc::message_store::sqlite {

/// Parameters are counted from 1, columns from 0. Each use of one is within the scope of an `ending`.
class statement {
 public:
  /// Throws startup_error when the file does not know what the statement names.
  statement(sqlite3* db, const std::string& sql);
  ~statement();
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;

  sqlite3_stmt* get() const { return handle_; }

  /// A text, or an id, must live until the statement was stepped through. Throws row_fault for what SQLite does not
  /// take.
  void bind(int parameter, const std::string& text);
  void bind(int parameter, const uuid& id);
  void bind(int parameter, std::int64_t number);
  void bind_null(int parameter);
  void bind(int parameter, timestamp time) { bind(parameter, time.time_since_epoch().count()); }
  /// A text that lives as long as the process.
  void bind_constant(int parameter, std::string_view text);
  /// A text that need not live longer than the call.
  void bind_copy(int parameter, std::string_view text);

  bool is_null(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }
  bool is_text(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_TEXT; }
  /// Of the row that a step has found. Each throws row_fault where the column holds something else: another type, what
  /// is out of range, NULL.
  uuid id(int column) const;
  std::string text(int column) const;
  std::string text_as_it_is(int column) const;  ///< may be no UTF-8
  std::int64_t number(int column) const;
  int count(int column) const;
  bool flag(int column) const;
  timestamp time(int column) const;
  milliseconds duration(int column) const;
  amc::status status(int column) const;
  std::vector<attempt> attempts(int column) const;
  content_form form(int column) const;
  std::vector<header> headers(int column) const;
  /// What a person may find the row by, whatever its id looks like.
  std::string name_of_row(int column) const;

 private:
  std::string_view bytes(int column, int type) const;
  void check_bound(int code) const;
  template <class Read>
  auto read(int column, const Read& how) const;

  sqlite3_stmt* handle_ = nullptr;
};

/// One use of a statement, which binds every parameter anew. It ends with its scope, whatever ends that: the next use
/// begins at its first row, and a look that stays open would keep the log from starting anew.
class ending {
 public:
  explicit ending(statement& s) : statement_(s.get()) {}
  ~ending() { sqlite3_reset(statement_); }  // says again what the last step has said
  ending(const ending&) = delete;
  ending& operator=(const ending&) = delete;

 private:
  sqlite3_stmt* statement_;
};

/// A connection to one file in WAL mode that this process owns; for one thread. What cannot be done is thrown as
/// `unavailable`. After a sync that failed nobody knows what the disk has; a file that was taken away, replaced or
/// damaged keeps nothing: then it is broken, for good.
class database {
 public:
  enum class use {
    owning,   ///< makes the file, and its folder, where there is none
    reading,  ///< sees what the owner, in this process, has committed, and writes nothing; the owner lives longer
    looking,  ///< while nobody owns it: at what is there, and leaves every file as it is
  };
  /// Throws startup_error.
  explicit database(std::string path, use how = use::owning);
  ~database();
  database(const database&) = delete;
  database& operator=(const database&) = delete;

  const std::string& path() const { return path_; }
  sqlite3* handle() const { return db_; }

  void run(const std::string& sql);
  /// True for a row; false for the end. Throws row_fault where only what was bound, or the row, is at fault.
  bool step(const statement& s);
  void execute(statement& s);

  /// All of it or nothing; durable when it returns, if `set_durable` said so, in the file that the path leads to.
  template <class Work>
  void in_transaction(const Work& work) {
    refuse_a_cut_log();
    execute(*begin_);
    try {
      work();
      execute(*commit_);
    } catch (...) {
      roll_back();
      throw;
    }
    after_commit();
  }

  void set_durable(bool durable);
  /// Throws `unavailable` (broken). Also when the files were found to be others, which this looks for now and then.
  void refuse_when_broken();

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
  void open_to_look();
  void connect(const std::string& name, int rights);
  void configure();
  void watch_files();
  std::string asked(const std::string& pragma);
  void close();
  void roll_back();
  static int note_log_of(void* self, sqlite3*, const char*, int pages);
  void note_log(int pages);
  void refuse_a_cut_log();
  /// Nobody is told that something is durable before this has returned. The log goes on growing until this finds it
  /// large; then its pages go into the file, but for those that a reader still needs.
  void after_commit();
  void checkpoint();
  std::string give_up(const std::string& damage);
  void keep_log();
  void check(const std::optional<std::string>& damage);
  [[noreturn]] void fail(int code);
  [[noreturn]] void break_down(const std::string& why);

  std::string path_;
  const pid_t opener_ = ::getpid();
  std::unique_ptr<owned_file> file_;
  sqlite3* db_ = nullptr;
  std::unique_ptr<statement> begin_, commit_;
  bool durable_ = true;
  std::string broken_;  ///< why
  int page_bytes_ = 0;
  int log_pages_ = 0;
  int checkpoint_at_ = log_pages_max;
  std::chrono::steady_clock::time_point next_look_{};
};

}  // namespace amc::message_store::sqlite
