#include "message_store/postgresql/connection.hpp"

#include <poll.h>

#include <charconv>
#include <cstring>

#include "amc/config.hpp"
#include "core/log.hpp"

namespace amc::message_store::postgresql {
namespace {

using clock = std::chrono::steady_clock;

/// The server may quote all of what it was given.
std::string first_line(const char* text) {
  constexpr std::size_t longest = 300;
  std::string line = text ? text : "";
  line.resize(std::min(line.size(), line.find('\n')));
  if (line.size() <= longest) return line;
  auto end = longest;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0U) == 0x80U) --end;  // not within a character
  return line.substr(0, end) + "…";
}

unavailable::reason reason_of(std::string_view sqlstate) {
  if (sqlstate == "53100") return unavailable::reason::full;
  // Who may not log in, which database, schema or rights are missing: waiting does not help.
  for (const auto* only_a_person : {"28", "3D", "3F", "42", "0A"})
    if (sqlstate.starts_with(only_a_person)) return unavailable::reason::refused;
  return unavailable::reason::away;
}

/// What libpq itself says no to, without a code: waiting does not help, another URL does.
bool wants_another_url(PGconn* handle, const std::string& line) {
  return PQconnectionNeedsPassword(handle) || line.find("server does not support SSL") != std::string::npos;
}

/// A failed log-in is told in words only; asked to be verbose, libpq puts "FATAL:  28P01: …" into them.
unavailable log_in_failure(PGconn* handle) {
  std::string line = first_line(PQerrorMessage(handle));
  constexpr std::size_t code_size = 5;
  for (auto at = line.find(":  "); at != std::string::npos; at = line.find(":  ", at + 1)) {
    const auto code = line.substr(at + 3, code_size);
    if (line.compare(at + 3 + code.size(), 2, ": ") != 0) continue;
    line.erase(at + 2, code_size + 3);
    return {reason_of(code), line + " (" + code + ")"};
  }
  return {wants_another_url(handle, line) ? unavailable::reason::refused : unavailable::reason::away, line};
}

}  // namespace

std::vector<const char*> parameters::pointers() const {
  std::vector<const char*> all;
  all.reserve(values_.size());
  for (const auto& value : values_) all.push_back(value ? value->c_str() : nullptr);
  return all;
}

bool server_error::is_of_the_input() const {
  // Values and constraints; what triggers, functions and views of the database's owner say to a row; too long for an
  // index, or too large at all.
  for (const auto* own_fault : {"22", "23", "09", "27", "38", "39", "44", "54", "P0"})
    if (sqlstate.starts_with(own_fault)) return true;
  return false;
}

bool server_error::leaves_the_connection() const {
  // Not after what may be another server's state (a standby), another schema's, or the end of the session.
  return is_of_the_input() || sqlstate.starts_with("40") || sqlstate.starts_with("53") || sqlstate == "55P03" ||
         sqlstate == "57014";
}

std::string server_error::told() const {
  return "postgresql: " + std::string(what()) + " (" + sqlstate + ")";
}

unavailable server_error::as_unavailable() const {
  return {reason_of(sqlstate), told()};
}

connection::connection(const postgresql_options& options, const std::string& role)
    : answer_timeout_(options.answer_timeout) {
  const auto name = "amc " + role;
  const char* keys[] = {"dbname", "application_name", "client_encoding", nullptr};
  const char* values[] = {options.url.c_str(), name.c_str(), "UTF8", nullptr};
  handle_ = PQconnectStartParams(keys, values, 1);
  PQsetErrorVerbosity(handle_, PQERRORS_VERBOSE);
  PQsetNoticeProcessor(
      handle_, [](void*, const char* text) { log::debug("store", first_line(text)); }, nullptr);
  try {
    connect(options.connect_timeout);
  } catch (const unavailable& failed) {
    PQfinish(handle_);
    throw unavailable(failed.why(), "postgresql at " + mask_url(options.url) + ": " + failed.what());
  }
  PQsetErrorVerbosity(handle_, PQERRORS_DEFAULT);
  PQsetnonblocking(handle_, 1);
}

connection::~connection() {
  PQfinish(handle_);
}

void connection::connect(milliseconds longest) {
  const auto deadline = clock::now() + longest;
  if (PQstatus(handle_) == CONNECTION_BAD) throw log_in_failure(handle_);
  for (auto step = PGRES_POLLING_WRITING; step != PGRES_POLLING_OK; step = PQconnectPoll(handle_)) {
    if (step == PGRES_POLLING_FAILED) throw log_in_failure(handle_);
    const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
    if (!wait(step == PGRES_POLLING_READING ? POLLIN : POLLOUT, left))
      throw unavailable(unavailable::reason::away, "no connection within " + std::to_string(longest.count()) + " ms");
  }
}

bool connection::was_cut() const {
  // A server says nothing to an idle connection but that it is over.
  return broken_ || wait(POLLIN, milliseconds(0));
}

void connection::script(const std::string& sql) {
  if (!PQsendQuery(handle_, sql.c_str())) lost();
  collect_to_the_end();
}

void connection::prepare(const char* name, const char* sql) {
  if (!PQsendPrepare(handle_, name, sql, 0, nullptr)) lost();
  collect_to_the_end();
}

void connection::collect_to_the_end() {
  const auto deadline = clock::now() + answer_timeout_;
  flushed_ = PQflush(handle_) == 0;
  std::vector<pg_result> results;
  for (;;) {
    read_until_ready(deadline);
    pg_result r(PQgetResult(handle_));
    if (!r) break;
    results.push_back(std::move(r));
  }
  if (results.empty()) lost();
  for (const auto& r : results) check(r.get());
}

std::vector<pg_result> connection::run(const std::vector<call>& calls, const std::optional<call>& afterwards) {
  for (const auto& c : calls) check_texts(c);
  const auto deadline = clock::now() + answer_timeout_;
  PQenterPipelineMode(handle_);
  for (const auto& c : calls) send(c);
  PQpipelineSync(handle_);
  if (afterwards) {
    send(*afterwards);
    PQpipelineSync(handle_);
  }
  flushed_ = PQflush(handle_) == 0;
  auto results = collect_until_sync(deadline);
  try {
    if (afterwards) collect_until_sync(deadline);
  } catch (const unavailable&) {
    broken_ = true;  // but what the calls did is known
  }
  PQexitPipelineMode(handle_);
  for (const auto& r : results) check(r.get());  // one more than the calls where the commit failed
  if (results.size() != calls.size()) lost();
  return results;
}

std::vector<std::string> connection::notifications(milliseconds longest) {
  std::vector<std::string> told;
  if (!wait(POLLIN, longest)) return told;
  if (!PQconsumeInput(handle_)) lost();
  while (auto* n = PQnotifies(handle_)) {
    told.emplace_back(n->extra);
    PQfreemem(n);
  }
  return told;
}

/// libpq takes texts that end with a zero: what stands after one would not be sent.
void connection::check_texts(const call& c) {
  for (const auto& value : c.arguments.values())
    if (value && value->find('\0') != std::string::npos)
      throw server_error("22021", "ERROR:  a text contains U+0000, which PostgreSQL cannot store");
}

void connection::send(const call& c) {
  const auto values = c.arguments.pointers();
  const int count = static_cast<int>(values.size());
  const int sent = c.name ? PQsendQueryPrepared(handle_, c.name, count, values.data(), nullptr, nullptr, 0)
                          : PQsendQueryParams(handle_, c.sql, count, nullptr, values.data(), nullptr, nullptr, 0);
  if (!sent) lost();
}

/// Sends what is still to be sent while reading what comes, so that neither side waits for the other for ever.
std::vector<pg_result> connection::collect_until_sync(clock::time_point deadline) {
  std::vector<pg_result> results;
  for (;;) {
    read_until_ready(deadline);
    pg_result r(PQgetResult(handle_));
    if (!r && PQstatus(handle_) != CONNECTION_OK) lost();
    if (!r) continue;  // the end of one statement's results
    if (PQresultStatus(r.get()) == PGRES_PIPELINE_SYNC) return results;
    if (PQstatus(handle_) != CONNECTION_OK) lost();
    results.push_back(std::move(r));
  }
}

void connection::read_until_ready(clock::time_point deadline) {
  while (PQisBusy(handle_)) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
    if (!wait(static_cast<short>(flushed_ ? POLLIN : POLLIN | POLLOUT), left))
      throw unavailable(unavailable::reason::outcome_unknown,
                        "postgresql: no answer within " + std::to_string(answer_timeout_.count()) + " ms");
    if (!PQconsumeInput(handle_)) lost();
    if (!flushed_) flushed_ = PQflush(handle_) == 0;
  }
}

bool connection::wait(short events, milliseconds longest) const {
  pollfd socket{PQsocket(handle_), events, 0};
  return poll(&socket, 1, static_cast<int>(std::max<std::int64_t>(0, longest.count()))) > 0;
}

void connection::lost() const {
  throw unavailable(unavailable::reason::outcome_unknown, "postgresql: " + first_line(PQerrorMessage(handle_)));
}

void connection::check(const PGresult* r) const {
  const auto state = PQresultStatus(r);
  if (state == PGRES_COMMAND_OK || state == PGRES_TUPLES_OK) return;
  if (state == PGRES_PIPELINE_ABORTED) return;  // the statement before it says why
  const char* code = PQresultErrorField(r, PG_DIAG_SQLSTATE);
  if (!code) lost();
  throw server_error(code, first_line(PQresultErrorMessage(r)));
}

std::int64_t number_at(const PGresult* r, int row, int column) {
  std::int64_t value = 0;
  const char* text = PQgetvalue(r, row, column);
  std::from_chars(text, text + PQgetlength(r, row, column), value);
  return value;
}

std::string text_at(const PGresult* r, int row, int column) {
  return {PQgetvalue(r, row, column), static_cast<std::size_t>(PQgetlength(r, row, column))};
}

timestamp time_at(const PGresult* r, int row, int column) {
  return timestamp(milliseconds(number_at(r, row, column)));
}

}  // namespace amc::message_store::postgresql
