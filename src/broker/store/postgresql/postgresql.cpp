#include "broker/store/postgresql/postgresql.hpp"

#include <algorithm>
#include <numeric>

#include "amc/config.hpp"
#include "broker/store/postgresql/changes.hpp"
#include "broker/store/postgresql/connection.hpp"
#include "broker/store/postgresql/schema.hpp"
#include "core/back_off.hpp"
#include "core/log.hpp"

namespace amc::broker {
namespace {

using namespace postgresql;

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

parameters& add_count(parameters& to, effect::count how) {
  const bool keeps = how != effect::count::zero;
  const int term = how == effect::count::one_more ? 1 : how == effect::count::one_less ? -1 : 0;
  return to.add(keeps ? "1" : "0").add(std::to_string(term));
}

std::unique_ptr<connection> connect(const postgresql_options& options) {
  auto fresh = std::make_unique<connection>(options, "store");
  try {
    // A server that stops this process's batch in the middle must not wait for it for ever. And a durable change is
    // synced whatever the server's default.
    fresh->script(
        "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '5s'; "
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'");
    fresh->prepare("insert", insert_sql);
    fresh->prepare("update", update_sql);
    fresh->prepare("find", find_sql);
    fresh->prepare("due", due_sql);
  } catch (const server_error& failed) {
    throw failed.as_unavailable();
  }
  return fresh;
}

class postgresql_store : public store {
 public:
  postgresql_store(postgresql_options options, std::string sender)
      : options_(std::move(options)), sender_(std::move(sender)) {}

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
    const auto results = run(calls, telling_others(batch));
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
  /// What wakes those who wait at other brokers.
  std::optional<connection::call> telling_others(std::span<const change> batch) const {
    std::vector<uuid> ids;
    for (const auto& what : batch)
      if (!what.insert && (what.then.text || what.then.status)) ids.push_back(what.id);
    if (ids.empty()) return {};
    return notify_call(sender_, ids);
  }

  std::vector<pg_result> run(const std::vector<connection::call>& calls,
                             const std::optional<connection::call>& afterwards = {}) {
    constexpr int tries = 5;
    for (int attempt = 1;; ++attempt) {
      try {
        if (link_.current() && link_.current()->was_cut()) link_.drop();
        return link_.get([&] { return connect(options_); }).run(calls, afterwards);
      } catch (const server_error& failed) {
        // The transaction has been undone, whole: running it again is safe.
        link_.drop();
        if (!failed.is_passing() || attempt == tries) throw failed.as_unavailable();
      } catch (const unavailable&) {
        link_.drop();
        throw;
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
  std::string sender_;
  reconnecting<connection> link_;
};

/// Asks the server for what the promise needs, and says what it does not give.
void check_durability(connection& link) {
  const auto r = link.run({{nullptr, "SELECT current_setting('fsync')"}});
  if (text_at(r[0].get(), 0, 0) == "off")
    log::warning("store", "this PostgreSQL runs with fsync = off: a power loss may lose what was accepted");
}

}  // namespace

opened_store open_postgresql(const postgresql_options& options) {
  migrate_postgresql(options, false);
  const auto sender = new_sender();
  opened_store opened;
  for (std::size_t i = 0; i < options.connections; ++i)
    opened.drivers.push_back(std::make_unique<postgresql_store>(options, sender));
  opened.changes_elsewhere = make_change_feed(options, sender);
  return opened;
}

migration migrate_postgresql(const postgresql_options& options, bool only_plan) {
  try {
    connection link(options, "migration");
    if (link.server_version() < 130'000)
      throw startup_error(mask_url(options.url) +
                          ": this server is older than PostgreSQL 13; use a newer one, or set " +
                          "broker.store.postgresql.url");
    auto done = migrate(link, options.url, only_plan);
    check_durability(link);
    return done;
  } catch (const server_error& failed) {
    throw failed.as_unavailable();
  }
}

}  // namespace amc::broker
