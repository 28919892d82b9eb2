#pragma once

#include <libpq-fe.h>

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "message_store/postgresql/conninfo.hpp"
#include "message_store/postgresql/postgresql.hpp"

namespace amc::message_store::postgresql {

struct result_deleter {
  void operator()(PGresult* r) const { PQclear(r); }
};
using pg_result = std::unique_ptr<PGresult, result_deleter>;

/// Text parameters, some of them null.
class parameters {
 public:
  parameters& add(std::string value) {
    values_.emplace_back(std::move(value));
    return *this;
  }
  parameters& null() {
    values_.emplace_back();
    return *this;
  }
  template <class T>
  parameters& add_if(const std::optional<T>& value) {
    if (!value) return null();
    if constexpr (std::is_same_v<T, std::string>)
      return add(*value);
    else if constexpr (std::is_same_v<T, bool>)
      return add(*value ? "t" : "f");
    else if constexpr (std::is_same_v<T, status>)
      return add(to_string(*value));
    else if constexpr (std::is_same_v<T, timestamp>)
      return add(std::to_string(value->time_since_epoch().count()));
    else if constexpr (std::is_same_v<T, milliseconds>)
      return add(std::to_string(value->count()));
    else
      return add(std::to_string(*value));
  }
  std::vector<const char*> pointers() const;
  const std::vector<std::optional<std::string>>& values() const { return values_; }

 private:
  std::vector<std::optional<std::string>> values_;
};

/// An error that the server reported: what was asked did not happen, whole. The connection may still be fine.
struct server_error : std::runtime_error {
  server_error(std::string code, const std::string& what) : std::runtime_error(what), sqlstate(std::move(code)) {}
  std::string sqlstate;
  /// The same again may well succeed: a deadlock, a conflict, a lock that was not had in time.
  bool is_passing() const { return sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03"; }
  /// The fault of what was asked for, or of the row that it met, and of nothing else: the same again fails again, and
  /// others do not.
  bool is_of_the_input() const;
  /// The connection is as it was before.
  bool leaves_the_connection() const;
  /// For a person: "postgresql: ERROR:  … (22021)".
  std::string told() const;
  /// What it means to who asked, where it is not of the input.
  unavailable as_unavailable() const;
};

/// The store cannot take what was asked for, ever; nothing was changed.
struct unfit_input : unavailable {
  explicit unfit_input(std::string what) : unavailable(reason::away, std::move(what)) {}
};

/// One connection, for one thread. Statements go out together and come back in order. Throws `unavailable` when the
/// server cannot be reached (away), says no (refused) or was lost (outcome_unknown); then drop it.
class connection {
 public:
  /// To the first of the URL's hosts that can be had; each of their addresses has connect_timeout by itself. Refuses a
  /// server that is too old, and a database whose encoding is not UTF8. `role` is what pg_stat_activity shows, after
  /// "amc ".
  connection(const postgresql_options& options, const std::string& role);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  /// Whether it has ended while nobody was looking. Asked before anything is sent, so that a cut costs nobody a
  /// request.
  bool was_cut() const;

  /// Runs a script of several statements, as it is. Throws server_error.
  void script(const std::string& sql);

  /// Whether a pooler stands between, which may give each transaction another session of the server: then nothing that
  /// a session keeps may be used.
  bool is_pooled() const { return pooled_; }
  /// For a pooler that does not let itself be noticed.
  void assume_pooler() { pooled_ = true; }

  /// Prepares a statement under a name; behind a pooler it is kept here, and sent with each call. Throws server_error.
  void prepare(const char* name, const char* sql);

  struct call {
    const char* name;  ///< of a prepared statement; null for `sql`
    const char* sql;
    parameters arguments{};
  };

  /// All calls as one transaction in one write, and their results; a server_error means that none of them took effect.
  /// It is the transaction that PostgreSQL makes of what comes before a Sync: no BEGIN and COMMIT, and so nothing to
  /// undo after an error.
  /// `afterwards`, when given, travels in the same write, is a transaction of its own, and is not missed when it fails.
  /// `before`, when given, is the first statement of the transaction, and its result is left out.
  std::vector<pg_result> run(const std::vector<call>& calls, const std::optional<call>& afterwards = {},
                             const std::optional<call>& before = {});

  /// What a NOTIFY told, waiting for one at most this long.
  struct notification {
    std::string channel;
    std::string payload;
  };
  std::vector<notification> notifications(milliseconds longest);

 private:
  void connect(const postgresql_options& options, const std::string& role);
  void dial(const keywords& to, milliseconds longest);
  void examine();
  void send(const call& c);
  static void check_texts(const call& c);
  std::vector<pg_result> collect_until_sync(std::chrono::steady_clock::time_point deadline);
  void collect_to_the_end();
  void read_until_ready(std::chrono::steady_clock::time_point deadline);
  bool wait(short events, milliseconds longest) const;
  [[noreturn]] void lost() const;
  void check(const PGresult* r) const;

  milliseconds answer_timeout_;
  PGconn* handle_ = nullptr;
  bool flushed_ = true;
  bool broken_ = false;
  bool pooled_ = false;
  std::map<std::string, std::string> kept_statements_;
};

std::int64_t number_at(const PGresult* r, int row, int column);
std::string text_at(const PGresult* r, int row, int column);
timestamp time_at(const PGresult* r, int row, int column);

}  // namespace amc::message_store::postgresql
