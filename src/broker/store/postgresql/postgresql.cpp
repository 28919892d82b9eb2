#include "broker/store/postgresql/postgresql.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "amc/config.hpp"
#include "broker/store/attempts.hpp"
#include "broker/store/postgresql/changes.hpp"
#include "broker/store/postgresql/connection.hpp"
#include "broker/store/postgresql/schema.hpp"
#include "core/back_off.hpp"
#include "core/log.hpp"
#include "core/uuid_source.hpp"

namespace amc::broker {
namespace {

using namespace postgresql;

#define AMC_COLUMNS                                                                                                  \
  "id, revision, status, queue, due, held, claim, unanswered, failures, created_at, updated_at, lease, max_claims, " \
  "attempts, expires_at, idempotency_key, fingerprint, traceparent, text"
// The server's clock, unless the store was given another.
#define AMC_NOW(parameter) "coalesce(" parameter "::bigint, (extract(epoch from clock_timestamp()) * 1000)::bigint)"
// A statement that changes at most one row, which "done" returns: the row after it, or the one that refused it.
#define AMC_OUTCOME                                     \
  "SELECT true, (SELECT now FROM clock), " AMC_COLUMNS  \
  " FROM done UNION ALL "                               \
  "SELECT false, (SELECT now FROM clock), " AMC_COLUMNS \
  " FROM amc_message WHERE id = "                       \
  "$1::uuid AND NOT EXISTS (SELECT 1 FROM done)"

// A new row, or the one that is there already. $1 id, $2 now, $3 text, $4 status, $5 queue, $6 held, $7 due in,
// $8 due at, $9 lease, $10 max claims, $11 expires at, $12 key, $13 fingerprint, $14 traceparent.
constexpr const char* insert_sql =
    "WITH clock AS MATERIALIZED (SELECT " AMC_NOW("$2") " AS now), done AS (INSERT INTO amc_message (" AMC_COLUMNS
                                                        R"sql()
  SELECT $1::uuid, CASE WHEN $3::text IS NULL THEN 0 ELSE 1 END, coalesce($4, 'pending'), coalesce($5, ''),
         coalesce($8::bigint, now + $7::bigint, 0), coalesce($6::boolean, false), 0, 0, 0, now, now,
         coalesce($9::bigint, 0), coalesce($10::integer, 0), '[]', $11::bigint, $12, $13, $14, coalesce($3, '')
  FROM clock ON CONFLICT DO NOTHING RETURNING *) )sql" AMC_OUTCOME;

// What else an insert with a key needs: before it, a key that is too old is taken from its row; after it, the row that
// has the key. Its own statement, since it must see what was committed while the insert waited.
constexpr const char* drop_key_sql =
    "UPDATE amc_message SET idempotency_key = NULL WHERE idempotency_key = $1 AND created_at <= " AMC_NOW(
        "$2") " - $3::bigint";
constexpr const char* find_key_sql =
    "SELECT false, " AMC_NOW("$2") ", " AMC_COLUMNS " FROM amc_message WHERE idempotency_key = $1";

// A guarded change. $1 id, $2 now; guard: $3 status, $4 revision, $5 claim, $6 held, $7 due, $8 open, $9 claims left,
// $10 unanswered below, $11 unanswered above, $12 expired, $13 text other than; effect: $14 text, $15 status, $16
// queue, $17 held, $18 due in, $19 due at, $20 due after lease, $21 new claims, $22 unanswered: factor, $23 and term,
// $24 failures: factor, $25 and term, $26 lease, $27 max claims, $28 error. Ten attempts are kept.
constexpr const char* update_sql = "WITH clock AS MATERIALIZED (SELECT " AMC_NOW("$2") R"sql( AS now),
done AS (
  UPDATE amc_message m SET
    text = coalesce($14, m.text), revision = m.revision + CASE WHEN $14 IS NULL THEN 0 ELSE 1 END,
    status = coalesce($15, m.status), queue = coalesce($16, m.queue), held = coalesce($17::boolean, m.held),
    lease = coalesce($26::bigint, m.lease), max_claims = coalesce($27::integer, m.max_claims),
    due = CASE WHEN $20::boolean THEN now + m.lease ELSE coalesce($19::bigint, now + $18::bigint, m.due) END,
    claim = m.claim + $21::integer,
    unanswered = greatest(0, m.unanswered * $22::integer + $23::integer),
    failures = greatest(0, m.failures * $24::integer + $25::integer),
    attempts = CASE WHEN $28::text IS NULL THEN m.attempts ELSE
      (CASE WHEN jsonb_array_length(m.attempts) < 10 THEN m.attempts ELSE m.attempts - 0 END) || jsonb_build_object(
        'revision', m.revision + CASE WHEN $14 IS NULL THEN 0 ELSE 1 END, 'claim', m.claim + $21::integer,
        'at', now, 'error', $28::text) END,
    updated_at = now
  FROM clock
  WHERE m.id = $1::uuid
    AND ($3::text IS NULL OR m.status = $3) AND ($4::integer IS NULL OR m.revision = $4)
    AND ($5::bigint IS NULL OR m.claim = $5) AND ($6::boolean IS NULL OR m.held = $6)
    AND ($7::bigint IS NULL OR m.due = $7) AND (NOT $8::boolean OR NOT m.held OR m.due <= now)
    AND (NOT $9::boolean OR m.unanswered < m.max_claims)
    AND ($10::integer IS NULL OR m.unanswered < $10) AND ($11::integer IS NULL OR m.unanswered > $11)
    AND ($12::boolean IS NULL OR (m.expires_at IS NOT NULL AND m.expires_at <= now) = $12)
    AND ($13::text IS NULL OR m.text <> $13)
  RETURNING m.*) )sql" AMC_OUTCOME;

constexpr const char* find_sql =
    "SELECT true, 0, " AMC_COLUMNS " FROM amc_message WHERE id = ANY (string_to_array($1, ',')::uuid[])";

// Of each queue the oldest: the queues are found by one probe of the index for each, whatever they hold. Then what has
// expired, of any queue.
constexpr const char* due_sql = R"sql(
WITH RECURSIVE queues AS (
  (SELECT queue FROM amc_message WHERE status = 'pending' ORDER BY queue LIMIT 1)
  UNION ALL
  SELECT (SELECT m.queue FROM amc_message m WHERE m.status = 'pending' AND m.queue > q.queue ORDER BY m.queue LIMIT 1)
  FROM queues q WHERE q.queue IS NOT NULL)
SELECT d.id, d.revision, q.queue, d.due, d.held, d.unanswered, d.max_claims, d.traceparent, false
FROM queues q CROSS JOIN LATERAL (
  SELECT * FROM amc_message m WHERE m.status = 'pending' AND m.queue = q.queue AND m.due <= )sql" AMC_NOW(
    "$1") R"sql( ORDER BY m.due LIMIT $2::integer) d WHERE q.queue IS NOT NULL
UNION ALL (
SELECT id, revision, queue, due, held, unanswered, max_claims, traceparent, true FROM amc_message
WHERE status = 'pending' AND expires_at <= )sql" AMC_NOW("$1") " ORDER BY expires_at LIMIT $2::integer)";

// $1 after, $2 rows to look at, $3 status, $4 queue, $5 limit. The first row tells where the look ended.
#define AMC_LIST(condition)                                                                                           \
  "WITH seen AS MATERIALIZED (SELECT * FROM amc_message WHERE " condition                                             \
  "id > $1::uuid ORDER BY id LIMIT $2::integer), fitting AS (SELECT * FROM seen WHERE ($3::text IS NULL OR status = " \
  "$3) AND ($4::text IS NULL OR queue = $4) ORDER BY id LIMIT $5::integer) "                                          \
  "SELECT (SELECT count(*) FROM seen), (SELECT id FROM seen ORDER BY id DESC LIMIT 1), " AMC_COLUMNS                  \
  " FROM fitting UNION ALL SELECT (SELECT count(*) FROM seen), (SELECT id FROM seen ORDER BY id DESC LIMIT 1), "      \
  "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL " \
  "WHERE NOT EXISTS (SELECT 1 FROM fitting)"
constexpr const char* list_sql = AMC_LIST("");
constexpr const char* list_dead_sql = AMC_LIST("status = 'dead' AND ");

constexpr const char* counts_sql =
    "SELECT queue, true, count(*), count(*) FILTER (WHERE due <= " AMC_NOW(
        "$1") "), count(*) FILTER (WHERE held), min(created_at) FROM amc_message WHERE status = 'pending' GROUP BY queue "
              "UNION ALL SELECT queue, false, count(*), 0, 0, NULL FROM amc_message WHERE status = 'dead' GROUP BY queue";

// $1 after, $2 younger ids are not looked at, $3 limit, $4 and $5: terminal since, dead since.
constexpr const char* purge_sql = R"sql(
WITH seen AS MATERIALIZED (
  SELECT id, status, updated_at FROM amc_message WHERE id > $1::uuid AND id < $2::uuid ORDER BY id LIMIT $3::integer),
gone AS (
  DELETE FROM amc_message m USING seen s WHERE m.id = s.id AND m.status <> 'pending'
    AND m.updated_at <= CASE WHEN m.status = 'dead' THEN $5::bigint ELSE $4::bigint END RETURNING 1)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM seen), (SELECT id FROM seen ORDER BY id DESC LIMIT 1))sql";

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
  found->lease = milliseconds(number_at(r, at, 13));
  found->max_claims = static_cast<int>(number_at(r, at, 14));
  found->attempts = parse_attempts(text_at(r, at, 15));
  if (!PQgetisnull(r, at, 16)) found->expires_at = time_at(r, at, 16);
  found->idempotency_key = text_at(r, at, 17);
  found->fingerprint = text_at(r, at, 18);
  found->traceparent = text_at(r, at, 19);
  found->text = text_at(r, at, 20);
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
    fresh->prepare("drop_key", drop_key_sql);
    fresh->prepare("find_key", find_key_sql);
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
    std::vector<std::size_t> places(batch.size());  // of each change's outcome among the results
    for (const auto i : order) places[i] = render(batch[i], calls);
    calls.push_back({nullptr, "COMMIT", {}});
    const auto results = run(calls, telling_others(batch));
    std::vector<outcome> outcomes(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      outcomes[i] = outcome_of(results[places[i]].get());
      // Nothing was inserted, and no row has the id: one has the key.
      const bool by_key = batch[i].insert && batch[i].then.once && PQntuples(results[places[i]].get()) == 0;
      if (by_key) outcomes[i] = outcome_of(results[places[i] + 1].get());
    }
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
    const auto results = run({{"due", nullptr, parameters().add_if(clock_now()).add(std::to_string(limit))}});
    const auto* r = results[0].get();
    std::vector<due_row> rows;
    for (int at = 0; at < PQntuples(r); ++at) {
      const auto unanswered = static_cast<int>(number_at(r, at, 5));
      rows.push_back({.id = parse_uuid(text_at(r, at, 0)).value(),
                      .revision = static_cast<int>(number_at(r, at, 1)),
                      .queue = text_at(r, at, 2),
                      .due = time_at(r, at, 3),
                      .held = *PQgetvalue(r, at, 4) == 't',
                      .unanswered = unanswered,
                      .used_up = unanswered >= number_at(r, at, 6),
                      .expired = *PQgetvalue(r, at, 8) == 't',
                      .traceparent = text_at(r, at, 7)});
    }
    return rows;
  }

  void make_all_due() override { run({{nullptr, make_all_due_sql, parameters().add_if(clock_now())}}); }

  message_page list(const list_filter& filter) override {
    constexpr int looked_at_max = 10'000;
    std::optional<std::string> queue;
    if (!filter.queue.empty()) queue = filter.queue;
    parameters p;
    p.add(to_string(filter.after)).add(std::to_string(looked_at_max)).add_if(filter.status).add_if(queue);
    p.add(std::to_string(filter.limit));
    const auto results = run({{nullptr, filter.status == status::dead ? list_dead_sql : list_sql, std::move(p)}});
    const auto* r = results[0].get();
    message_page page;
    for (int at = 0; at < PQntuples(r); ++at)
      if (!PQgetisnull(r, at, 2)) page.rows.push_back(row_at(r, at));
    if (page.rows.size() == filter.limit)
      page.next = page.rows.back()->id;
    else if (number_at(r, 0, 0) == looked_at_max)
      page.next = parse_uuid(text_at(r, 0, 1));
    return page;
  }

  std::vector<queue_counts> counts() override {
    const auto results = run({{nullptr, counts_sql, parameters().add_if(clock_now())}});
    const auto* r = results[0].get();
    std::map<std::string, queue_counts> queues;
    for (int at = 0; at < PQntuples(r); ++at) {
      auto& q = queues[text_at(r, at, 0)];
      q.queue = text_at(r, at, 0);
      if (*PQgetvalue(r, at, 1) == 'f') {
        q.dead = static_cast<std::size_t>(number_at(r, at, 2));
        continue;
      }
      q.pending = static_cast<std::size_t>(number_at(r, at, 2));
      q.due = static_cast<std::size_t>(number_at(r, at, 3));
      q.held = static_cast<std::size_t>(number_at(r, at, 4));
      q.oldest = time_at(r, at, 5);
    }
    std::vector<queue_counts> all;
    for (const auto& [name, q] : queues) all.push_back(q);
    return all;
  }

  purged purge(const purge_request& what) override {
    const auto since = now();
    parameters p;
    // Ids begin with the time of their making: what is younger than both ages has not been terminal for so long.
    p.add(to_string(what.after)).add(to_string(id_at_time(since - std::min(what.kept, what.dead_kept))));
    p.add(std::to_string(what.limit));
    p.add_if(std::optional(since - what.kept)).add_if(std::optional(since - what.dead_kept));
    const auto results = run({{nullptr, purge_sql, std::move(p)}});
    const auto* r = results[0].get();
    purged done{static_cast<std::size_t>(number_at(r, 0, 0)), {}};
    if (number_at(r, 0, 1) == static_cast<std::int64_t>(what.limit)) done.next = parse_uuid(text_at(r, 0, 2));
    return done;
  }

  timestamp now() override {
    const auto results = run({{nullptr, "SELECT " AMC_NOW("$1"), parameters().add_if(clock_now())}});
    return time_at(results[0].get(), 0, 0);
  }

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

  std::optional<timestamp> clock_now() const {
    if (!options_.now) return {};
    return options_.now();
  }

  /// Adds what a change takes; returns the place of its outcome.
  std::size_t render(const change& what, std::vector<connection::call>& calls) const {
    if (!what.insert) {
      calls.push_back({"update", nullptr, update_parameters(what)});
      return calls.size() - 1;
    }
    const auto& once = what.then.once;
    if (once)
      calls.push_back({"drop_key", nullptr,
                       parameters().add(once->key).add_if(clock_now()).add(std::to_string(once->kept.count()))});
    calls.push_back({"insert", nullptr, insert_parameters(what)});
    const auto place = calls.size() - 1;
    if (once) calls.push_back({"find_key", nullptr, parameters().add(once->key).add_if(clock_now())});
    return place;
  }

  parameters insert_parameters(const change& what) const {
    const auto& then = what.then;
    parameters p;
    p.add(to_string(what.id)).add_if(clock_now());
    p.add_if(then.text)
        .add_if(then.status)
        .add_if(then.queue)
        .add_if(then.held)
        .add_if(then.due_in)
        .add_if(then.due_at);
    p.add_if(then.lease).add_if(then.max_claims).add_if(then.expires_at);
    if (then.once)
      p.add(then.once->key).add(then.once->fingerprint);
    else
      p.null().add("");
    p.add(then.traceparent);
    return p;
  }

  parameters update_parameters(const change& what) const {
    const auto& when = what.when;
    const auto& then = what.then;
    parameters p;
    p.add(to_string(what.id)).add_if(clock_now());
    p.add_if(when.status).add_if(when.revision).add_if(when.claim).add_if(when.held).add_if(when.due);
    p.add(when.open ? "t" : "f").add(when.claims_left ? "t" : "f");
    p.add_if(when.unanswered_below).add_if(when.unanswered_above).add_if(when.expired).add_if(when.text_other_than);
    p.add_if(then.text)
        .add_if(then.status)
        .add_if(then.queue)
        .add_if(then.held)
        .add_if(then.due_in)
        .add_if(then.due_at);
    p.add(then.due_after_lease ? "t" : "f").add(then.new_claim ? "1" : "0");
    add_count(p, then.unanswered);
    add_count(p, then.failures);
    p.add_if(then.lease).add_if(then.max_claims).add_if(then.error);
    return p;
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
