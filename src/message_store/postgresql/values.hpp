#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "message_store/attempts.hpp"
#include "message_store/headers.hpp"
#include "message_store/postgresql/connection.hpp"
#include "message_store/row_fault.hpp"

/// How PostgreSQL says the types of C++ that columns, guards and effects have.
namespace amc::message_store::postgresql {

/// The name of the type of its parameters.
template <class T>
struct sql_type;
template <>
struct sql_type<uuid> {
  static constexpr const char* name = "uuid";
};
template <>
struct sql_type<int> {
  static constexpr const char* name = "integer";
};
template <>
struct sql_type<std::int64_t> {
  static constexpr const char* name = "bigint";
};
template <>
struct sql_type<std::size_t> {
  static constexpr const char* name = "bigint";
};
template <>
struct sql_type<bool> {
  static constexpr const char* name = "boolean";
};
template <>
struct sql_type<std::string> {
  static constexpr const char* name = "text";
};
template <>
struct sql_type<status> {
  static constexpr const char* name = "text";
};
template <>
struct sql_type<timestamp> {
  static constexpr const char* name = "bigint";
};
template <>
struct sql_type<milliseconds> {
  static constexpr const char* name = "bigint";
};
template <>
struct sql_type<effect::count> {
  static constexpr const char* name = "integer";
};
template <>
struct sql_type<std::vector<attempt>> {
  static constexpr const char* name = "jsonb";
};
template <>
struct sql_type<content_form> {
  static constexpr const char* name = "text";
};
template <>
struct sql_type<std::vector<header>> {
  static constexpr const char* name = "text";
};
template <class T>
struct sql_type<std::optional<T>> : sql_type<T> {};

/// How an array says that a count becomes 1.
constexpr int counted_as_one = 2;

/// The text of an array parameter, element by element: "{1,NULL,\"…\"}".
class array_text {
 public:
  void add_null() { separate() += "NULL"; }
  template <class T>
  void add(const std::optional<T>& value) {
    if (value)
      add(*value);
    else
      add_null();
  }
  void add(const uuid& id) { separate() += to_string(id); }
  void add(bool value) { separate() += value ? 't' : 'f'; }
  void add(int value) { add(std::int64_t{value}); }
  void add(std::size_t value) { add(static_cast<std::int64_t>(value)); }
  void add(std::int64_t value) {
    constexpr std::size_t digits_max = 20;
    char text[digits_max];
    separate().append(text, std::to_chars(text, text + digits_max, value).ptr);
  }
  void add(timestamp time) { add(std::int64_t{time.time_since_epoch().count()}); }
  void add(milliseconds duration) { add(std::int64_t{duration.count()}); }
  void add(status value) { separate() += to_string(value); }
  void add(const std::string& text) { add_quoted(text); }
  void add(const std::vector<attempt>& attempts) { add_quoted(attempts_text(attempts)); }
  void add(content_form form) { add_quoted(to_string(form)); }
  void add(const std::vector<header>& headers) { add_quoted(headers_text(headers)); }
  /// As `counted_sql` reads it.
  void add(effect::count how) {
    if (how == effect::count::keep)
      add_null();
    else
      add(number_of(how));
  }

  std::string finished() { return std::move(text_ += '}'); }

 private:
  std::string& separate() {
    if (text_.size() > 1) text_ += ',';
    return text_;
  }
  static int number_of(effect::count how) {
    switch (how) {
      case effect::count::one:
        return counted_as_one;
      case effect::count::one_more:
        return 1;
      case effect::count::one_less:
        return -1;
      default:
        return 0;
    }
  }
  void add_quoted(std::string_view text) {
    separate() += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
  }

  std::string text_ = "{";
};

inline void read(const PGresult* r, int row, int at, uuid& into) {
  into = parse_uuid({PQgetvalue(r, row, at), static_cast<std::size_t>(PQgetlength(r, row, at))}).value();
}
inline void read(const PGresult* r, int row, int at, int& into) {
  into = checked_count(number_at(r, row, at));
}
inline void read(const PGresult* r, int row, int at, std::int64_t& into) {
  into = number_at(r, row, at);
}
inline void read(const PGresult* r, int row, int at, bool& into) {
  into = *PQgetvalue(r, row, at) == 't';
}
inline void read(const PGresult* r, int row, int at, std::string& into) {
  into = text_at(r, row, at);
}
inline void read(const PGresult* r, int row, int at, status& into) {
  into = checked_status(text_at(r, row, at));
}
inline void read(const PGresult* r, int row, int at, timestamp& into) {
  into = checked_time(number_at(r, row, at));
}
inline void read(const PGresult* r, int row, int at, milliseconds& into) {
  into = checked_duration(number_at(r, row, at));
}
inline void read(const PGresult* r, int row, int at, std::optional<timestamp>& into) {
  if (!PQgetisnull(r, row, at)) into = checked_time(number_at(r, row, at));
}
inline void read(const PGresult* r, int row, int at, std::vector<attempt>& into) {
  into = parse_attempts({PQgetvalue(r, row, at), static_cast<std::size_t>(PQgetlength(r, row, at))});
}

inline void read(const PGresult* r, int row, int at, content_form& into) {
  into = checked_form({PQgetvalue(r, row, at), static_cast<std::size_t>(PQgetlength(r, row, at))});
}
inline void read(const PGresult* r, int row, int at, std::vector<header>& into) {
  into = parse_headers({PQgetvalue(r, row, at), static_cast<std::size_t>(PQgetlength(r, row, at))});
}

}  // namespace amc::message_store::postgresql
