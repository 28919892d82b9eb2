#include "message_store/postgresql/connection.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <random>

#include "core/config.hpp"
#include "core/log.hpp"

namespace amc::message_store::postgresql {
namespace {

using clock = std::chrono::steady_clock;

unavailable::reason reason_of(std::string_view sqlstate) {
  if (sqlstate == "53100") return unavailable::reason::full;
  // Who may not log in, which database, schema or rights are missing, which settings do not exist or are given what
  // they cannot be: waiting does not help.
  for (const auto* only_a_person : {"28", "3D", "3F", "42", "0A", "22", "55P02"})
    if (sqlstate.starts_with(only_a_person)) return unavailable::reason::refused;
  return unavailable::reason::away;
}

/// What libpq itself says no to, without a code: waiting does not help, another URL, certificate or server does. Its
/// words are always English here: no locale is set.
bool is_final(PGconn* handle, const std::string& line) {
  if (PQconnectionNeedsPassword(handle)) return true;
  // A server that stops in the middle of it.
  if (line.find("SSL error: unexpected eof") != std::string::npos) return false;
  for (const auto* words :
       {"does not support SSL", "SSL error: ", "certificate", "private key", "private SSL key", "SSL engine",
        "SSL context", "SSL protocol version", "channel binding", "SCRAM-SHA-256-PLUS authentication over",
        "SASL authentication mechanisms are supported", "authentication method", "uthentication not supported",
        "requirepeer", "GSSAPI encryption", "host name must be specified", "is too long (maximum"})
    if (line.find(words) != std::string::npos) return true;
  return false;
}

/// What PgBouncer says no to; most of its releases have one code for all that they say.
bool is_final_at_a_pooler(std::string_view line) {
  constexpr std::array final{"no such database",   "no such user", "password authentication failed",
                             "auth failed",        "not allowed",  "unsupported startup parameter",
                             "unsupported packet", "SSL required", "authentication failed"};
  return std::any_of(final.begin(), final.end(), [&](const char* words) { return line.find(words) != line.npos; });
}

bool is_code(std::string_view text) {
  constexpr std::size_t code_size = 5;
  return text.size() == code_size &&
         text.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos;
}

/// A failed log-in is told in words only; asked to be verbose, libpq puts "FATAL:  28P01: …" into them, with the first
/// word in the server's language.
unavailable log_in_failure(PGconn* handle) {
  std::string line = first_line(PQerrorMessage(handle));
  constexpr std::size_t code_size = 5;
  for (auto at = line.find(":  "); at != std::string::npos; at = line.find(":  ", at + 1)) {
    const auto code = line.substr(at + 3, code_size);
    if (!is_code(code) || line.compare(at + 3 + code_size, 2, ": ") != 0) continue;
    line.erase(at + 2, code_size + 3);
    const bool final = code == "08P01" && is_final_at_a_pooler(line);
    return {final ? unavailable::reason::refused : reason_of(code), line + " (" + code + ")"};
  }
  return {is_final(handle, line) ? unavailable::reason::refused : unavailable::reason::away, line};
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
  const auto fail = [&](const unavailable& failed) {
    PQfinish(handle_);
    throw unavailable(failed.why(), "postgresql at " + mask_url(options.url) + ": " + failed.what());
  };
  try {
    connect(options, role);
    examine();
  } catch (const unavailable& failed) {
    fail(failed);
  } catch (const server_error& failed) {
    fail(failed.as_unavailable());  // not covered: takes a server that lets one in and refuses the first question
  }
}

connection::~connection() {
  PQfinish(handle_);
}

/// As libpq's own way through the hosts: on to the next when one cannot be had, and no further when one says no.
void connection::connect(const postgresql_options& options, const std::string& role) {
  auto wanted = read_conninfo(options.url);
  if (wanted.complaint) throw unavailable(unavailable::reason::refused, *wanted.complaint);
  wanted.common["application_name"] = "amc " + role;
  wanted.common["client_encoding"] = "UTF8";
  const auto longest = wanted.connect_timeout.value_or(options.connect_timeout);
  std::minstd_rand random(std::random_device{}());
  if (wanted.in_random_order) std::shuffle(wanted.hosts.begin(), wanted.hosts.end(), random);
  std::string failures;
  const auto note = [&](const unavailable& failed) {
    if (failed.why() == unavailable::reason::refused) throw unavailable(failed);
    failures += (failures.empty() ? "" : "; ") + std::string(failed.what());
  };
  for (const auto& attributes : wanted.session_attributes)
    for (const auto& host : wanted.hosts) try {
        auto tries = tries_for(host);
        if (wanted.in_random_order) std::shuffle(tries.begin(), tries.end(), random);
        for (auto& to : tries) try {
            to.insert(wanted.common.begin(), wanted.common.end());
            to["target_session_attrs"] = attributes;
            return dial(to, longest);
          } catch (const unavailable& failed) {
            note(failed);
          }
      } catch (const unavailable& failed) {
        note(failed);
      }
  throw unavailable(unavailable::reason::away, failures);
}

void connection::dial(const keywords& to, milliseconds longest) {
  const auto deadline = clock::now() + longest;
  PQfinish(handle_);
  handle_ = begin_connecting(to);
  PQsetErrorVerbosity(handle_, PQERRORS_VERBOSE);
  PQsetNoticeProcessor(
      handle_, [](void*, const char* text) { log::debug("store", first_line(text)); }, nullptr);
  if (PQstatus(handle_) == CONNECTION_BAD) throw log_in_failure(handle_);
  for (auto step = PGRES_POLLING_WRITING; step != PGRES_POLLING_OK; step = PQconnectPoll(handle_)) {
    if (step == PGRES_POLLING_FAILED) throw log_in_failure(handle_);
    const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
    if (!wait(step == PGRES_POLLING_READING ? POLLIN : POLLOUT, left))
      throw unavailable(unavailable::reason::away, "no connection to " + std::string(PQhost(handle_)) + ":" +
                                                       PQport(handle_) + " within " + std::to_string(longest.count()) +
                                                       " ms (broker.store.postgresql.connect_timeout_ms, or "
                                                       "connect_timeout in the URL)");
  }
  PQsetErrorVerbosity(handle_, PQERRORS_DEFAULT);
  PQsetnonblocking(handle_, 1);
}

void connection::examine() {
  constexpr int oldest_version = 130'000;
  if (PQserverVersion(handle_) < oldest_version)
    // not covered: no system that AMC is built on has so old a server
    throw unavailable(unavailable::reason::refused,
                      "this server is older than PostgreSQL 13; use a newer one, or set broker.store.postgresql.url");
  const auto told = run({{nullptr, "SELECT current_setting('server_encoding'), pg_backend_pid()"}});
  const auto encoding = text_at(told[0].get(), 0, 0);
  // Who answers is not whom the connection was made to.
  pooled_ = number_at(told[0].get(), 0, 1) != PQbackendPID(handle_);
  if (encoding != "UTF8")
    throw unavailable(unavailable::reason::refused,
                      "this database has the encoding " + encoding +
                          ", which cannot hold every text; make another with CREATE DATABASE … ENCODING 'UTF8' "
                          "TEMPLATE template0, and set broker.store.postgresql.url");
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
  if (pooled_) {
    kept_statements_[name] = sql;
    return;
  }
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

std::vector<pg_result> connection::run(const std::vector<call>& calls, const std::optional<call>& afterwards,
                                       const std::optional<call>& before) {
  for (const auto& c : calls) check_texts(c);
  const auto deadline = clock::now() + answer_timeout_;
  PQenterPipelineMode(handle_);
  if (before) send(*before);
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
    // not covered: takes a cut between two answers that the server sends in one write
    broken_ = true;  // but what the calls did is known
  }
  PQexitPipelineMode(handle_);
  for (const auto& r : results) check(r.get());  // one more than was sent where the commit failed
  if (results.size() != calls.size() + (before ? 1 : 0)) lost();
  if (before) results.erase(results.begin());
  return results;
}

std::vector<connection::notification> connection::notifications(milliseconds longest) {
  std::vector<notification> told;
  if (!wait(POLLIN, longest)) return told;
  if (!PQconsumeInput(handle_)) lost();
  while (auto* n = PQnotifies(handle_)) {
    told.push_back({n->relname, n->extra});
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
  const char* sql = c.name && pooled_ ? kept_statements_.at(c.name).c_str() : c.sql;
  const int sent = c.name && !pooled_
                       ? PQsendQueryPrepared(handle_, c.name, count, values.data(), nullptr, nullptr, 0)
                       : PQsendQueryParams(handle_, sql, count, nullptr, values.data(), nullptr, nullptr, 0);
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
      throw unavailable(unavailable::reason::outcome_unknown, "postgresql: no answer within " +
                                                                  std::to_string(answer_timeout_.count()) +
                                                                  " ms (broker.store.postgresql.answer_timeout_ms)");
    if (!PQconsumeInput(handle_)) lost();
    if (!flushed_) flushed_ = PQflush(handle_) == 0;
  }
}

bool connection::wait(short events, milliseconds longest) const {
  pollfd socket{PQsocket(handle_), events, 0};
  const auto deadline = clock::now() + longest;
  for (auto left = longest;; left = std::chrono::ceil<milliseconds>(deadline - clock::now())) {
    const int ready = poll(&socket, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
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
