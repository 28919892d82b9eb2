#pragma once

/// What the store says to the server.
namespace amc::message_store::postgresql {

#define AMC_COLUMNS                                                                                                  \
  "id, revision, status, queue, due, held, claim, unanswered, failures, created_at, updated_at, lease, max_claims, " \
  "attempts, expires_at, idempotency_key, fingerprint, traceparent, text"
// The server's clock, unless the store was given another.
#define AMC_NOW(parameter) "coalesce(" parameter "::bigint, (extract(epoch from clock_timestamp()) * 1000)::bigint)"
// What became of each row that was asked for: the row after its change, which "done" returns, or the one that refused
// it; nothing where there is none. The ids are given twice ($2): a server that has seen the table empty would otherwise
// plan to look through all of it.
#define AMC_OUTCOMES                                \
  "SELECT true, clock.now, " AMC_COLUMNS            \
  " FROM done, clock UNION ALL "                    \
  "SELECT false, clock.now, " AMC_COLUMNS           \
  " FROM clock, asked JOIN amc_message USING (id) " \
  "WHERE amc_message.id = ANY ($2::uuid[]) AND id NOT IN (SELECT id FROM done)"

// New rows, each with an id of its own. $1 now, then a column of each.
constexpr const char* insert_sql = "WITH clock AS MATERIALIZED (SELECT " AMC_NOW("$1") R"sql( AS now),
asked AS MATERIALIZED (
  SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::bigint[], $8::bigint[],
                       $9::bigint[], $10::integer[], $11::bigint[], $12::text[], $13::text[], $14::text[])
  AS c(id, new_text, new_status, new_queue, new_held, due_in, due_at, new_lease, new_max_claims, new_expires_at, key,
       new_fingerprint, new_traceparent)),
done AS (
  INSERT INTO amc_message ()sql" AMC_COLUMNS R"sql()
  SELECT id, CASE WHEN new_text IS NULL THEN 0 ELSE 1 END, coalesce(new_status, 'pending'), coalesce(new_queue, ''),
         coalesce(due_at, now + due_in, 0), coalesce(new_held, false), 0, 0, 0, now, now,
         coalesce(new_lease, 0), coalesce(new_max_claims, 0), '[]', new_expires_at, key, new_fingerprint,
         new_traceparent, coalesce(new_text, '')
  FROM asked, clock ON CONFLICT DO NOTHING RETURNING *) )sql" AMC_OUTCOMES;

// What else an insert with a key needs: before it, a key that is too old is taken from its row; after it, the row that
// has the key. Its own statement, since it must see what was committed while the insert waited.
constexpr const char* drop_key_sql =
    "UPDATE amc_message SET idempotency_key = NULL WHERE idempotency_key = $1 AND created_at <= " AMC_NOW(
        "$2") " - $3::bigint";
constexpr const char* find_key_sql =
    "SELECT false, " AMC_NOW("$2") ", " AMC_COLUMNS " FROM amc_message WHERE idempotency_key = $1";

// Guarded changes, each of another row. $1 now, then a column of each: the guard, then the effect. Counts are
// multiplied by a factor, and a term is added. Ten attempts are kept.
constexpr const char* update_sql = "WITH clock AS MATERIALIZED (SELECT " AMC_NOW("$1") R"sql( AS now),
asked AS MATERIALIZED (
  SELECT * FROM unnest($2::uuid[], $3::text[], $4::integer[], $5::bigint[], $6::boolean[], $7::bigint[], $8::boolean[],
                       $9::boolean[], $10::integer[], $11::integer[], $12::boolean[], $13::text[],
                       $14::text[], $15::text[], $16::text[], $17::boolean[], $18::bigint[], $19::bigint[],
                       $20::boolean[], $21::integer[], $22::integer[], $23::integer[], $24::integer[], $25::integer[],
                       $26::bigint[], $27::integer[], $28::text[])
  AS c(id, if_status, if_revision, if_claim, if_held, if_due, if_open, if_claims_left, if_unanswered_below,
       if_unanswered_above, if_expired, if_text_other_than,
       new_text, new_status, new_queue, new_held, due_in, due_at, due_after_lease, new_claims, unanswered_factor,
       unanswered_term, failures_factor, failures_term, new_lease, new_max_claims, new_error)),
done AS (
  UPDATE amc_message m SET
    text = coalesce(new_text, m.text), revision = m.revision + CASE WHEN new_text IS NULL THEN 0 ELSE 1 END,
    status = coalesce(new_status, m.status), queue = coalesce(new_queue, m.queue), held = coalesce(new_held, m.held),
    lease = coalesce(new_lease, m.lease), max_claims = coalesce(new_max_claims, m.max_claims),
    due = CASE WHEN due_after_lease THEN now + m.lease ELSE coalesce(due_at, now + due_in, m.due) END,
    claim = m.claim + new_claims,
    unanswered = greatest(0, m.unanswered * unanswered_factor + unanswered_term),
    failures = greatest(0, m.failures * failures_factor + failures_term),
    attempts = CASE WHEN new_error IS NULL THEN m.attempts ELSE
      (CASE WHEN jsonb_array_length(m.attempts) < 10 THEN m.attempts ELSE m.attempts - 0 END) || jsonb_build_object(
        'revision', m.revision + CASE WHEN new_text IS NULL THEN 0 ELSE 1 END, 'claim', m.claim + new_claims,
        'at', now, 'error', new_error) END,
    updated_at = now
  FROM asked, clock
  WHERE m.id = asked.id AND m.id = ANY ($2::uuid[])
    AND (if_status IS NULL OR m.status = if_status) AND (if_revision IS NULL OR m.revision = if_revision)
    AND (if_claim IS NULL OR m.claim = if_claim) AND (if_held IS NULL OR m.held = if_held)
    AND (if_due IS NULL OR m.due = if_due) AND (NOT if_open OR NOT m.held OR m.due <= now)
    AND (NOT if_claims_left OR m.unanswered < m.max_claims)
    AND (if_unanswered_below IS NULL OR m.unanswered < if_unanswered_below)
    AND (if_unanswered_above IS NULL OR m.unanswered > if_unanswered_above)
    AND (if_expired IS NULL OR (m.expires_at IS NOT NULL AND m.expires_at <= now) = if_expired)
    AND (if_text_other_than IS NULL OR m.text <> if_text_other_than)
  RETURNING m.*) )sql" AMC_OUTCOMES;

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

// A row that nobody else ever sees, with every right that changes need.
#define AMC_NIL "'00000000-0000-0000-0000-000000000000'"
constexpr const char* try_insert_sql =
    "INSERT INTO amc_message (id, revision, status, queue, due, held, claim, unanswered, failures, created_at, "
    "updated_at, text) VALUES (" AMC_NIL ", 1, 'done', '', 0, false, 0, 0, 0, 0, 0, '')";
constexpr const char* try_update_sql = "UPDATE amc_message SET revision = 2 WHERE id = " AMC_NIL;
constexpr const char* try_delete_sql = "DELETE FROM amc_message WHERE id = " AMC_NIL;

constexpr const char* make_all_due_sql =
    "UPDATE amc_message SET due = " AMC_NOW("$1") " WHERE status = 'pending' AND NOT held AND due > " AMC_NOW("$1");

constexpr const char* now_sql = "SELECT " AMC_NOW("$1");

#undef AMC_COLUMNS
#undef AMC_NOW
#undef AMC_OUTCOMES
#undef AMC_LIST
#undef AMC_NIL

}  // namespace amc::message_store::postgresql
