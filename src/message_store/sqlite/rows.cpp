#include "message_store/sqlite/rows.hpp"

#include "message_store/attempts.hpp"
#include "message_store/headers.hpp"

namespace amc::message_store::sqlite {
namespace {

/// How SQLite keeps a type of C++: `read` takes it from a column, `bind` makes it a parameter.
void read(const statement& s, int at, uuid& into) {
  into = s.id(at);
}
void read(const statement& s, int at, int& into) {
  into = s.count(at);
}
void read(const statement& s, int at, std::int64_t& into) {
  into = s.number(at);
}
void read(const statement& s, int at, bool& into) {
  into = s.flag(at);
}
void read(const statement& s, int at, std::string& into) {
  if (!s.is_null(at)) into = s.text(at);
}
void read(const statement& s, int at, status& into) {
  into = s.status(at);
}
void read(const statement& s, int at, timestamp& into) {
  into = s.time(at);
}
void read(const statement& s, int at, milliseconds& into) {
  into = s.duration(at);
}
void read(const statement& s, int at, std::optional<timestamp>& into) {
  if (!s.is_null(at)) into = s.time(at);
}
void read(const statement& s, int at, std::vector<attempt>& into) {
  into = s.attempts(at);
}
void read(const statement& s, int at, content_form& into) {
  into = s.form(at);
}
void read(const statement& s, int at, std::vector<header>& into) {
  into = s.headers(at);
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
  s.bind_constant(at, to_string(value));
}
void bind(statement& s, int at, timestamp time) {
  s.bind(at, time);
}
void bind(statement& s, int at, milliseconds duration) {
  s.bind(at, std::int64_t{duration.count()});
}
void bind(statement& s, int at, const std::optional<timestamp>& time) {
  if (time)
    s.bind(at, *time);
  else
    s.bind_null(at);
}
void bind(statement& s, int at, const std::vector<attempt>& attempts) {
  if (attempts.empty())
    s.bind_constant(at, "[]");
  else
    s.bind_copy(at, attempts_text(attempts));
}
void bind(statement& s, int at, content_form form) {
  s.bind_constant(at, to_string(form));
}
void bind(statement& s, int at, const std::vector<header>& headers) {
  if (headers.empty())
    s.bind_constant(at, "");
  else
    s.bind_copy(at, headers_text(headers));
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
  return "INSERT INTO message (" + names(columns) + ") VALUES (" + values + ") ON CONFLICT (id) DO NOTHING";
}

std::string update_sql(column::writer by) {
  std::string sets;
  for (const auto& c : columns)
    if (c.written_by <= by)
      sets.append(sets.empty() ? "" : ", ").append(c.name).append(" = ").append(parameter_text(c));
  return "UPDATE message SET " + sets + " WHERE id = " + parameter_text(column_of(&message::id));
}

void bind_row(statement& s, const message& m, column::writer by) {
  for (const auto& c : columns) {
    if (!is_bound(c, by)) continue;
    if (is_null(c, m))
      s.bind_null(parameter_of(c));
    else
      std::visit([&](auto member) { bind(s, parameter_of(c), m.*member); }, c.value);
  }
}

}  // namespace amc::message_store::sqlite
