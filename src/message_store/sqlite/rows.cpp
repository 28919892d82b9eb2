#include "message_store/sqlite/rows.hpp"

#include "message_store/attempts.hpp"

namespace amc::message_store::sqlite {
namespace {

/// How SQLite keeps a type of C++: `read` takes it from a column, `bind` makes it a parameter.
void read(const statement& s, int at, uuid& into) {
  into = s.id(at);
}
void read(const statement& s, int at, int& into) {
  into = static_cast<int>(s.number(at));
}
void read(const statement& s, int at, std::int64_t& into) {
  into = s.number(at);
}
void read(const statement& s, int at, bool& into) {
  into = s.number(at) != 0;
}
void read(const statement& s, int at, std::string& into) {
  if (!s.is_null(at)) into = s.text(at);
}
void read(const statement& s, int at, status& into) {
  into = parse_status(s.text(at)).value_or(status::dead);
}
void read(const statement& s, int at, timestamp& into) {
  into = s.time(at);
}
void read(const statement& s, int at, milliseconds& into) {
  into = milliseconds(s.number(at));
}
void read(const statement& s, int at, std::optional<timestamp>& into) {
  if (!s.is_null(at)) into = s.time(at);
}
void read(const statement& s, int at, std::vector<attempt>& into) {
  into = parse_attempts(s.text(at));
}

void bind(statement& s, int at, const uuid& id) {
  s.bind(at, id);
}
void bind(statement& s, int at, std::int64_t number) {
  s.bind(at, number);
}
void bind(statement& s, int at, const std::string& text) {
  s.bind(at, text);
}
void bind(statement& s, int at, status value) {
  sqlite3_bind_text(s.get(), at, to_string(value), -1, SQLITE_STATIC);
}
void bind(statement& s, int at, timestamp time) {
  s.bind(at, time);
}
void bind(statement& s, int at, milliseconds duration) {
  s.bind(at, std::int64_t{duration.count()});
}
void bind(statement& s, int at, const std::optional<timestamp>& time) {
  if (time) s.bind(at, *time);
}
void bind(statement& s, int at, const std::vector<attempt>& attempts) {
  if (attempts.empty()) {
    sqlite3_bind_text(s.get(), at, "[]", 2, SQLITE_STATIC);
    return;
  }
  const auto text = attempts_text(attempts);
  sqlite3_bind_text64(s.get(), at, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

bool is_null(const column& c, const message& m) {
  const auto* text = std::get_if<std::string message::*>(&c.value);
  return c.null_where_empty && text && (m.**text).empty();
}

/// A column's parameter is its place in the table, counted from 1, in every statement.
int parameter_of(const column& c) {
  return static_cast<int>(&c - columns) + 1;
}

std::string parameter_text(const column& c) {
  return "?" + std::to_string(parameter_of(c));
}

/// `id` names the row of each change.
bool is_bound(const column& c, column::writer by) {
  return c.written_by <= by || &c == &column_of(&message::id);
}

}  // namespace

std::shared_ptr<message> row_at(const statement& s, std::span<const column> selected) {
  auto found = std::make_shared<message>();
  int at = 0;
  for (const auto& c : selected) {
    std::visit([&](auto member) { read(s, at, (*found).*member); }, c.value);
    ++at;
  }
  return found;
}

std::string insert_sql() {
  std::string values;
  for (const auto& c : columns) values.append(values.empty() ? "" : ", ").append(parameter_text(c));
  return "INSERT INTO message (" + names(columns) + ") VALUES (" + values + ")";
}

std::string update_sql(column::writer by) {
  std::string sets;
  for (const auto& c : columns)
    if (c.written_by <= by)
      sets.append(sets.empty() ? "" : ", ").append(c.name).append(" = ").append(parameter_text(c));
  return "UPDATE message SET " + sets + " WHERE id = " + parameter_text(column_of(&message::id));
}

void bind_row(statement& s, const message& m, column::writer by) {
  for (const auto& c : columns)
    if (is_bound(c, by) && !is_null(c, m))
      std::visit([&](auto member) { bind(s, parameter_of(c), m.*member); }, c.value);
}

}  // namespace amc::message_store::sqlite
