#include "broker/store/postgresql/postgresql.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "amc/config.hpp"

namespace amc::broker {
namespace {

constexpr int schema_version = 1;

// fillfactor leaves room for the next versions of a row on its page: a step changes each row a few times.
constexpr const char* schema = R"sql(
CREATE TABLE amc_message (
  id         uuid    NOT NULL PRIMARY KEY,
  revision   integer NOT NULL,
  status     text    NOT NULL,
  queue      text    NOT NULL,
  due        bigint  NOT NULL,  -- milliseconds since 1970, as all times here
  held       boolean NOT NULL,
  claim      bigint  NOT NULL,
  unanswered integer NOT NULL,
  failures   integer NOT NULL,
  created_at bigint  NOT NULL,
  updated_at bigint  NOT NULL,
  text       text    NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX amc_message_due ON amc_message (queue, due) WHERE status = 'pending';
)sql";

#define AMC_COLUMNS "id, revision, status, queue, due, held, claim, unanswered, failures, created_at, updated_at, text"
// The server's clock, unless the store was given another.
#define AMC_NOW(parameter) "coalesce(" parameter "::bigint, (extract(epoch from clock_timestamp()) * 1000)::bigint)"

// A new row, or the one that is there already. $1 id, $2 now, $3 text, $4 status, $5 queue, $6 held, $7 due in,
// $8 claim, $9 unanswered, $10 failures.
constexpr const char* insert_sql = "WITH clock AS MATERIALIZED (SELECT " AMC_NOW(
    "$2") R"sql( AS now),
done AS (
  INSERT INTO amc_message (id, revision, status, queue, due, held, claim, unanswered, failures, created_at, updated_at, text)
  SELECT $1::uuid, CASE WHEN $3::text IS NULL THEN 0 ELSE 1 END, coalesce($4, 'pending'), coalesce($5, ''),
         now + coalesce($7::bigint, -now), coalesce($6::boolean, false), $8::bigint, $9::integer, $10::integer, now, now,
         coalesce($3, '')
  FROM clock ON CONFLICT (id) DO NOTHING RETURNING *)
SELECT true, (SELECT now FROM clock), )sql" AMC_COLUMNS
          " FROM done UNION ALL SELECT false, (SELECT now FROM clock), " AMC_COLUMNS
          " FROM amc_message WHERE id = $1::uuid AND NOT EXISTS (SELECT 1 FROM done)";

// A guarded change. $1 id, $2 now; guard: $3 status, $4 revision, $5 claim, $6 held, $7 due, $8 open, $9 unanswered
// below, $10 text other than; effect: $11 text, $12 status, $13 queue, $14 held, $15 due in, $16 new claims, $17
// unanswered: factor, $18 and term, $19 failures: factor, $20 and term.
constexpr const char* update_sql = "WITH clock AS MATERIALIZED (SELECT " AMC_NOW(
    "$2") R"sql( AS now),
done AS (
  UPDATE amc_message m SET
    text = coalesce($11, m.text), revision = m.revision + CASE WHEN $11 IS NULL THEN 0 ELSE 1 END,
    status = coalesce($12, m.status), queue = coalesce($13, m.queue), held = coalesce($14::boolean, m.held),
    due = coalesce(now + $15::bigint, m.due), claim = m.claim + $16::integer,
    unanswered = greatest(0, m.unanswered * $17::integer + $18::integer),
    failures = greatest(0, m.failures * $19::integer + $20::integer), updated_at = now
  FROM clock
  WHERE m.id = $1::uuid
    AND ($3::text IS NULL OR m.status = $3) AND ($4::integer IS NULL OR m.revision = $4)
    AND ($5::bigint IS NULL OR m.claim = $5) AND ($6::boolean IS NULL OR m.held = $6)
    AND ($7::bigint IS NULL OR m.due = $7) AND (NOT $8::boolean OR NOT m.held OR m.due <= now)
    AND ($9::integer IS NULL OR m.unanswered < $9) AND ($10::text IS NULL OR m.text <> $10)
  RETURNING m.*)
SELECT true, (SELECT now FROM clock), )sql" AMC_COLUMNS
          " FROM done UNION ALL SELECT false, (SELECT now FROM clock), " AMC_COLUMNS
          " FROM amc_message WHERE id = $1::uuid AND NOT EXISTS (SELECT 1 FROM done)";

constexpr const char* find_sql =
    "SELECT true, 0, " AMC_COLUMNS " FROM amc_message WHERE id = ANY (string_to_array($1, ',')::uuid[])";

// Of each queue the oldest: the queues are found by one probe of the index for each, whatever they hold.
constexpr const char* due_sql = R"sql(
WITH RECURSIVE queues AS (
  (SELECT queue FROM amc_message WHERE status = 'pending' ORDER BY queue LIMIT 1)
  UNION ALL
  SELECT (SELECT m.queue FROM amc_message m WHERE m.status = 'pending' AND m.queue > q.queue ORDER BY m.queue LIMIT 1)
  FROM queues q WHERE q.queue IS NOT NULL)
SELECT d.id, d.revision, q.queue, d.due, d.held FROM queues q CROSS JOIN LATERAL (
  SELECT id, revision, due, held FROM amc_message m WHERE m.status = 'pending' AND m.queue = q.queue AND m.due <= )sql" AMC_NOW(
    "$1") " ORDER BY m.due LIMIT $2::integer) d WHERE q.queue IS NOT NULL";

constexpr const char* make_all_due_sql =
    "UPDATE amc_message SET due = " AMC_NOW("$1") " WHERE status = 'pending' AND NOT held AND due > " AMC_NOW("$1");

struct result_deleter {
  void operator()(PGresult* r) const { PQclear(r); }
};
using pg_result = std::unique_ptr<PGresult, result_deleter>;

/// Text parameters, some of them null.
class parameters {
 public:
  parameters& add(std::string value) {
    values_.push_back(std::move(value));
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
  std::vector<const char*> pointers() const {
    std::vector<const char*> all;
    for (const auto& value : values_) all.push_back(value ? value->c_str() : nullptr);
    return all;
  }

 private:
  std::vector<std::optional<std::string>> values_;
};

/// An error that the server reported; the connection may still be fine.
struct server_error : std::runtime_error {
  server_error(std::string code, const std::string& what) : std::runtime_error(what), sqlstate(std::move(code)) {}
  std::string sqlstate;
  bool worth_another_try() const { return sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03"; }
};

std::string first_line(const char* text) {
  const std::string all = text ? text : "";
  return all.substr(0, all.find('\n'));
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

/// The columns of AMC_COLUMNS, which begin at the third.
row row_at(const PGresult* r, int at) {
  auto found = std::make_shared<message>();
  found->id = parse_uuid(text_at(r, at, 2)).value();
  found->revision = static_cast<int>(number_at(r, at, 3));
  found->status = parse_status(text_at(r, at, 4)).value_or(status::dead);
  found->queue = text_at(r, at, 5);
  found->due = time_at(r, at, 6);
  found->held = *PQgetvalue(r, at, 7) == 't';
  found->claim = number_at(r, at, 8);
  found->unanswered = static_cast<int>(number_at(r, at, 9));
  found->failures = static_cast<int>(number_at(r, at, 10));
  found->created_at = time_at(r, at, 11);
  found->updated_at = time_at(r, at, 12);
  found->text = text_at(r, at, 13);
  return found;
}

/// One connection: statements go out together and come back in order.
class connection {
 public:
  explicit connection(const postgresql_options& options) : answer_timeout_(options.answer_timeout) {
    const auto timeout = std::to_string(std::max<std::int64_t>(1, options.connect_timeout.count() / 1'000));
    const char* keys[] = {"dbname", "connect_timeout", "application_name", "client_encoding", nullptr};
    const char* values[] = {options.url.c_str(), timeout.c_str(), "amc", "UTF8", nullptr};
    handle_ = PQconnectdbParams(keys, values, 1);
    if (PQstatus(handle_) != CONNECTION_OK) {
      const auto why = first_line(PQerrorMessage(handle_));
      PQfinish(handle_);
      throw unavailable(unavailable::reason::away, why);
    }
    PQsetnonblocking(handle_, 1);
  }
  ~connection() { PQfinish(handle_); }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  /// Whether the server has ended it while nobody was looking: then it says so, and nothing else is said to an idle
  /// connection. Asked before anything is sent, so that a cut costs nobody a request.
  bool was_cut() const {
    pollfd socket{PQsocket(handle_), POLLIN, 0};
    return poll(&socket, 1, 0) > 0;
  }

  int server_version() const { return PQserverVersion(handle_); }

  /// Runs a script of several statements, as it is.
  void script(const std::string& sql) {
    PQsetnonblocking(handle_, 0);
    const pg_result r(PQexec(handle_, sql.c_str()));
    PQsetnonblocking(handle_, 1);
    check(r.get());
  }

  /// Prepares a statement under a name.
  void prepare(const char* name, const char* sql) {
    PQsetnonblocking(handle_, 0);
    const pg_result r(PQprepare(handle_, name, sql, 0, nullptr));
    PQsetnonblocking(handle_, 1);
    check(r.get());
  }

  struct call {
    const char* name;  ///< of a prepared statement; null for `sql`
    const char* sql;
    parameters arguments;
  };

  /// All calls in one write, and their results. A server_error means that none of them took effect.
  std::vector<pg_result> run(const std::vector<call>& calls) {
    PQenterPipelineMode(handle_);
    for (const auto& c : calls) send(c);
    PQpipelineSync(handle_);
    auto results = collect(calls.size());
    PQexitPipelineMode(handle_);
    for (const auto& r : results) check(r.get());
    return results;
  }

 private:
  void send(const call& c) {
    const auto values = c.arguments.pointers();
    const int count = static_cast<int>(values.size());
    const int sent = c.name ? PQsendQueryPrepared(handle_, c.name, count, values.data(), nullptr, nullptr, 0)
                            : PQsendQueryParams(handle_, c.sql, count, nullptr, values.data(), nullptr, nullptr, 0);
    if (!sent) lost();
  }

  /// Sends what is still to be sent while reading what comes, so that neither side waits for the other for ever.
  std::vector<pg_result> collect(std::size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + answer_timeout_;
    std::vector<pg_result> results;
    bool flushed = PQflush(handle_) == 0;
    for (;;) {
      while (PQisBusy(handle_)) {
        wait(flushed, deadline);
        if (!PQconsumeInput(handle_)) lost();
        if (!flushed) flushed = PQflush(handle_) == 0;
      }
      pg_result r(PQgetResult(handle_));
      if (!r) continue;  // the end of one statement's results
      if (PQresultStatus(r.get()) == PGRES_PIPELINE_SYNC) break;
      if (PQstatus(handle_) != CONNECTION_OK) lost();
      results.push_back(std::move(r));
    }
    if (results.size() != count) lost();
    return results;
  }

  void wait(bool flushed, std::chrono::steady_clock::time_point deadline) const {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd socket{PQsocket(handle_), static_cast<short>(flushed ? POLLIN : POLLIN | POLLOUT), 0};
    if (left <= milliseconds(0) || poll(&socket, 1, static_cast<int>(left.count())) == 0)
      throw unavailable(unavailable::reason::outcome_unknown,
                        "no answer within " + std::to_string(answer_timeout_.count()) + " ms");
  }

  [[noreturn]] void lost() const {
    throw unavailable(unavailable::reason::outcome_unknown, first_line(PQerrorMessage(handle_)));
  }

  void check(const PGresult* r) const {
    const auto state = PQresultStatus(r);
    if (state == PGRES_COMMAND_OK || state == PGRES_TUPLES_OK) return;
    if (state == PGRES_PIPELINE_ABORTED) return;  // the statement before it says why
    const char* code = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    if (!code) lost();
    throw server_error(code, first_line(PQresultErrorMessage(r)));
  }

  milliseconds answer_timeout_;
  PGconn* handle_ = nullptr;
};

parameters& add_count(parameters& to, effect::count how) {
  const bool keeps = how != effect::count::zero;
  const int term = how == effect::count::one_more ? 1 : how == effect::count::one_less ? -1 : 0;
  return to.add(keeps ? "1" : "0").add(std::to_string(term));
}

class postgresql_store : public store {
 public:
  explicit postgresql_store(postgresql_options options) : options_(std::move(options)) {
    try {
      connect();
      migrate();
    } catch (const std::exception& failed) {
      throw startup_error(mask_url(options_.url) + ": " + failed.what() + "; check broker.store.postgresql.url");
    }
  }

  std::vector<outcome> apply(std::span<const change> batch) override {
    if (batch.empty()) return {};
    // Every batch locks its rows in the order of their ids, so two batches cannot wait for each other.
    std::vector<std::size_t> order(batch.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return batch[a].id < batch[b].id; });
    std::vector<connection::call> calls;
    calls.reserve(batch.size() + 3);
    const bool durable = std::any_of(batch.begin(), batch.end(), [](const change& c) { return c.durable; });
    calls.push_back({nullptr, "BEGIN", {}});
    if (!durable) calls.push_back({nullptr, "SET LOCAL synchronous_commit = off", {}});
    const auto first = calls.size();
    for (const auto i : order) calls.push_back(render(batch[i]));
    calls.push_back({nullptr, "COMMIT", {}});
    const auto results = run(calls);
    std::vector<outcome> outcomes(batch.size());
    for (std::size_t i = 0; i < order.size(); ++i) outcomes[order[i]] = outcome_of(results[first + i].get());
    return outcomes;
  }

  std::vector<row> find(std::span<const uuid> ids) override {
    if (ids.empty()) return {};
    std::string list;
    for (const auto& id : ids) list += (list.empty() ? "" : ",") + to_string(id);
    const auto results = run({{"find", nullptr, parameters().add(list)}});
    std::vector<row> rows(ids.size());
    for (int at = 0; at < PQntuples(results[0].get()); ++at) {
      const auto found = row_at(results[0].get(), at);
      for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] == found->id) rows[i] = found;
    }
    return rows;
  }

  std::vector<due_row> due(std::size_t limit) override {
    const auto results = run({{"due", nullptr, parameters().add_if(now()).add(std::to_string(limit))}});
    const auto* r = results[0].get();
    std::vector<due_row> rows;
    for (int at = 0; at < PQntuples(r); ++at)
      rows.push_back({parse_uuid(text_at(r, at, 0)).value(), static_cast<int>(number_at(r, at, 1)), text_at(r, at, 2),
                      time_at(r, at, 3), *PQgetvalue(r, at, 4) == 't'});
    return rows;
  }

  void make_all_due() override { run({{nullptr, make_all_due_sql, parameters().add_if(now())}}); }

 private:
  void connect() {
    auto fresh = std::make_unique<connection>(options_);
    if (fresh->server_version() < 130'000)
      throw startup_error("this server is older than PostgreSQL 13; use a newer one");
    // A server that stops this process's batch in the middle must not wait for it for ever.
    fresh->script("SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '5s'");
    link_ = std::move(fresh);
    prepared_ = false;
  }

  void prepare() {
    if (std::exchange(prepared_, true)) return;
    link_->prepare("insert", insert_sql);
    link_->prepare("update", update_sql);
    link_->prepare("find", find_sql);
    link_->prepare("due", due_sql);
  }

  /// The schema's version stands in a table of one row. The lock lets only one of many starting processes make it.
  void migrate() {
    link_->script(
        "BEGIN; SELECT pg_advisory_xact_lock(7012203); CREATE TABLE IF NOT EXISTS amc_schema (version integer NOT "
        "NULL); "
        "INSERT INTO amc_schema SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM amc_schema)");
    const auto results = link_->run({{nullptr, "SELECT version FROM amc_schema", {}}});
    const auto found = number_at(results[0].get(), 0, 0);
    if (found > schema_version)
      throw startup_error("written by a newer version (schema " + std::to_string(found) + ", this one knows " +
                          std::to_string(schema_version) + "); run that version");
    if (found == 0) link_->script(std::string(schema) + "UPDATE amc_schema SET version = 1");
    link_->script("COMMIT");
  }

  std::vector<pg_result> run(const std::vector<connection::call>& calls) {
    constexpr int tries = 5;
    for (int attempt = 1;; ++attempt) {
      try {
        if (link_ && link_->was_cut()) link_.reset();
        if (!link_) connect();
        prepare();
        return link_->run(calls);
      } catch (const server_error& failed) {
        // The transaction has been undone, whole: running it again is safe.
        link_.reset();
        if (failed.worth_another_try() && attempt < tries) continue;
        const bool full = failed.sqlstate.starts_with("53") && failed.sqlstate != "53300";
        throw unavailable(full ? unavailable::reason::full : unavailable::reason::away,
                          "postgresql: " + std::string(failed.what()) + " (" + failed.sqlstate + ")");
      } catch (const unavailable& failed) {
        link_.reset();
        throw unavailable(failed.why(), "postgresql: " + std::string(failed.what()));
      }
    }
  }

  std::optional<timestamp> now() const {
    if (!options_.now) return {};
    return options_.now();
  }

  connection::call render(const change& what) const {
    const auto& then = what.then;
    parameters p;
    p.add(to_string(what.id)).add_if(now());
    if (what.insert) {
      p.add_if(then.text).add_if(then.status).add_if(then.queue).add_if(then.held).add_if(then.due_in);
      p.add(then.new_claim ? "1" : "0");
      p.add(then.unanswered == effect::count::one_more ? "1" : "0");
      p.add(then.failures == effect::count::one_more ? "1" : "0");
      return {"insert", nullptr, std::move(p)};
    }
    const auto& when = what.when;
    p.add_if(when.status).add_if(when.revision).add_if(when.claim).add_if(when.held).add_if(when.due);
    p.add(when.open ? "t" : "f").add_if(when.unanswered_below).add_if(when.text_other_than);
    p.add_if(then.text).add_if(then.status).add_if(then.queue).add_if(then.held).add_if(then.due_in);
    p.add(then.new_claim ? "1" : "0");
    add_count(p, then.unanswered);
    add_count(p, then.failures);
    return {"update", nullptr, std::move(p)};
  }

  static outcome outcome_of(const PGresult* r) {
    if (PQntuples(r) == 0) return {};
    return {*PQgetvalue(r, 0, 0) == 't', row_at(r, 0), time_at(r, 0, 1)};
  }

  postgresql_options options_;
  std::unique_ptr<connection> link_;
  bool prepared_ = false;
};

}  // namespace

std::unique_ptr<store> open_postgresql(postgresql_options options) {
  return std::make_unique<postgresql_store>(std::move(options));
}

}  // namespace amc::broker
