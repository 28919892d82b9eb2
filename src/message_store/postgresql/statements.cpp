#include "message_store/postgresql/statements.hpp"

#include "message_store/columns.hpp"
#include "message_store/postgresql/asked.hpp"

namespace amc::message_store::postgresql {
namespace {

/// The server's clock, unless the store was given another.
std::string now_sql(const std::string& parameter) {
  return "coalesce(" + parameter + "::bigint, (extract(epoch from clock_timestamp()) * 1000)::bigint)";
}

/// Read once for a statement, of which $1 is now. Compared with a clock that is read for each row, an index is of no
/// use.
std::string clock_sql(const std::string& besides = "") {
  return "clock AS MATERIALIZED (SELECT " + now_sql("$1") + " AS now" + (besides.empty() ? "" : ", " + besides) + ")";
}
constexpr const char* now_read = "(SELECT now FROM clock)";

/// A text that is not wanted is not read.
std::string row_sql(const std::string& of, const std::string& with_text) {
  return names(columns_without_text, of) + ", CASE WHEN " + with_text + " THEN " + of + "text END AS text";
}

/// What became of each row that was asked for: the row after its change, which "done" returns, or the one that refused
/// it; nothing where there is none. The ids are given twice ($2): a server that has seen the table empty would
/// otherwise plan to look through all of it.
std::string outcomes_sql() {
  return "SELECT true, clock.now, " + names(columns) +
         " FROM done, clock UNION ALL "
         "SELECT false, clock.now, " +
         row_sql("m.", "text_if_refused") +
         " FROM clock, asked JOIN amc_message m ON m.id = asked.id "
         "WHERE m.id = ANY ($2::uuid[]) AND m.id NOT IN (SELECT id FROM done)";
}

/// New rows, each with an id of its own.
std::string insert_sql() {
  return "WITH " + clock_sql() + ", " + asked_sql(asked_of_inserts()) + ", done AS (INSERT INTO amc_message (" +
         names(columns) + ") SELECT " + inserted_sql() + " FROM asked, clock ON CONFLICT DO NOTHING RETURNING " +
         row_sql("amc_message.", "false") + ") " + outcomes_sql();
}

/// Guarded changes, each of another row.
std::string update_sql() {
  const auto past_max_bytes = "$" + std::to_string(asked_of_updates().size() + 2) + "::bigint AS past_max_bytes";
  return "WITH " + clock_sql(past_max_bytes) + ", " + asked_sql(asked_of_updates()) +
         ", done AS (UPDATE amc_message m SET " + assignments_sql() +
         " FROM asked, clock WHERE m.id = asked.id AND m.id = ANY ($2::uuid[]) AND " + conditions_sql() +
         " RETURNING " + row_sql("m.", "text_if_applied") + ") " + outcomes_sql();
}

/// Its own statement, since it must see what was committed while the insert waited.
std::string find_key_sql() {
  return "SELECT false, " + now_sql("$2") + ", " + row_sql("m.", "$3::boolean") +
         " FROM amc_message m WHERE idempotency_key = $1";
}

/// The queues with pending rows, and a null: one probe of the index for each, whatever they hold.
std::string queues_sql() {
  return "queues AS ("
         "(SELECT queue FROM amc_message WHERE status = 'pending' ORDER BY queue LIMIT 1) UNION ALL "
         "SELECT (SELECT m.queue FROM amc_message m WHERE m.status = 'pending' AND m.queue > q.queue "
         "ORDER BY m.queue LIMIT 1) FROM queues q WHERE q.queue IS NOT NULL) ";
}

std::string with_queues_sql() {
  return "WITH RECURSIVE " + clock_sql() + ", " + queues_sql();
}

/// Of each queue the oldest; then what has expired, of any queue.
std::string due_sql() {
  return with_queues_sql() + "SELECT false, " + names(due_columns, "d.") +
         " FROM queues q CROSS JOIN LATERAL ("
         "SELECT * FROM amc_message m WHERE m.status = 'pending' AND m.queue = q.queue AND m.due <= " +
         now_read +
         " ORDER BY m.due LIMIT $2::integer) d WHERE q.queue IS NOT NULL UNION ALL ("
         "SELECT true, " +
         names(due_columns) + " FROM amc_message WHERE status = 'pending' AND expires_at <= " + now_read +
         " ORDER BY expires_at LIMIT $2::integer)";
}

/// What is due, and what was rung: both read in the index's order, and no further than the limit.
std::string waiting_sql() {
  const std::string now = now_read;
  const auto part = [&](const std::string& condition) {
    return "(SELECT " + names(due_columns) + " FROM amc_message WHERE status = 'pending' AND queue = $2 AND " +
           condition +
           " AND unanswered < least(abs(max_claims), $5::integer) AND (expires_at IS NULL OR expires_at > " + now +
           ") ORDER BY due LIMIT $4::integer)";
  };
  return "WITH " + clock_sql() + " SELECT false, w.* FROM (" + part("due <= " + now) + " UNION ALL " +
         part("due > " + now + " AND due <= " + now + " + $3::bigint AND NOT held") + ") w ORDER BY due <= " + now +
         ", due LIMIT $4::integer";
}

/// Which rows make up the page is chosen by what is read without their texts.
std::string list_sql(const std::string& condition) {
  return "WITH seen AS MATERIALIZED (SELECT id, status, queue, last_queue, octet_length(text) + octet_length(headers) "
         "AS bytes "
         "FROM amc_message WHERE " +
         condition +
         "id > $1::uuid ORDER BY id LIMIT $2::integer), "
         "fitting AS MATERIALIZED (SELECT id, bytes FROM seen WHERE ($3::text IS NULL OR status = $3) "
         "AND ($4::text IS NULL OR queue = $4) AND ($7::text IS NULL OR " +
         in_queues_sql("", "$7::text") +
         ") ORDER BY id LIMIT $5::integer), "
         "chosen AS MATERIALIZED (SELECT id FROM (SELECT id, sum(bytes) OVER up_to_it AS bytes_so_far, "
         "count(*) OVER up_to_it AS place FROM fitting WINDOW up_to_it AS (ORDER BY id)) f "
         "WHERE place = 1 OR bytes_so_far <= $6::bigint), "
         "look AS (SELECT (SELECT count(*) FROM fitting) > (SELECT count(*) FROM chosen) AS more, "
         "(SELECT count(*) FROM seen) AS looked_at, (SELECT id FROM seen ORDER BY id DESC LIMIT 1) AS last) "
         "SELECT look.more, look.looked_at, look.last, " +
         names(columns, "m.") +
         " FROM look LEFT JOIN (chosen JOIN amc_message m ON m.id = chosen.id) ON true ORDER BY m.id";
}

std::string counts_sql() {
  return "WITH " + clock_sql() + " SELECT queue, true, count(*), count(*) FILTER (WHERE due <= " + now_read +
         "), count(*) FILTER (WHERE held AND due > " + now_read +
         "), min(created_at) FILTER (WHERE NOT held OR due <= " + now_read +
         ") FROM amc_message WHERE status = 'pending' GROUP BY queue UNION ALL "
         "SELECT queue, false, count(*), 0, 0, NULL FROM amc_message WHERE status = 'dead' GROUP BY queue";
}

/// Rung rows come before those that are due.
std::string before_sql() {
  const std::string now = now_read;
  const std::string of_queue = "SELECT 1 FROM amc_message WHERE status = 'pending' AND queue = $2 AND ";
  return "WITH " + clock_sql() + " SELECT count(*) FROM (" + of_queue + "due > " + now + " AND due <= " + now +
         " + $3::bigint AND NOT held AND ($4::bigint <= " + now + " OR (due, id) < ($4::bigint, $5::uuid)) UNION ALL " +
         of_queue + "due <= " + now + " AND $4::bigint <= " + now +
         " AND (due, id) < ($4::bigint, $5::uuid) LIMIT $6::bigint) b";
}

std::string holders_sql() {
  return "WITH " + clock_sql() +
         " SELECT DISTINCT holder FROM (SELECT holder FROM (SELECT holder, unanswered FROM amc_message "
         "WHERE status = 'pending' AND queue = $2 AND held AND due > " +
         now_read + " ORDER BY due LIMIT $4::bigint) h WHERE unanswered > 0 LIMIT $3::bigint) c ORDER BY holder";
}

std::string purge_sql() {
  const std::string is_old =
      "status <> 'pending' AND updated_at <= CASE WHEN status = 'dead' THEN $5::bigint ELSE $4::bigint END";
  return "WITH seen AS MATERIALIZED (SELECT id, status, updated_at, octet_length(text) + octet_length(past) AS bytes "
         "FROM amc_message "
         "WHERE id > $1::uuid AND id < $2::uuid ORDER BY id LIMIT $3::integer), "
         "old AS MATERIALIZED (SELECT id, sum(bytes) OVER (ORDER BY id) - bytes AS bytes_before FROM seen WHERE " +
         is_old +
         "), chosen AS MATERIALIZED (SELECT id FROM old WHERE bytes_before < $6::bigint), "
         "gone AS (DELETE FROM amc_message WHERE id IN (SELECT id FROM chosen) AND " +
         is_old +
         " RETURNING 1) "
         "SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM seen), "
         "CASE WHEN (SELECT count(*) FROM old) > (SELECT count(*) FROM chosen) "
         "THEN (SELECT id FROM chosen ORDER BY id DESC LIMIT 1) END, (SELECT id FROM seen ORDER BY id DESC LIMIT 1)";
}

/// What is due already is passed by, so that asking again goes on.
std::string make_due_sql() {
  return with_queues_sql() + "UPDATE amc_message SET due = CASE WHEN $3::text IS NULL THEN " + now_read +
         " ELSE least(" + now_read +
         ", created_at) END WHERE status = 'pending' AND NOT held AND id IN (SELECT d.id FROM queues q CROSS JOIN "
         "LATERAL ("
         "SELECT m.id FROM amc_message m WHERE m.status = 'pending' AND m.queue = q.queue AND m.due > " +
         now_read +
         " AND NOT m.held LIMIT $2::integer) d WHERE q.queue IS NOT NULL AND q.queue = coalesce($3, q.queue) "
         "LIMIT $2::integer)";
}

statements render() {
  const std::string nil = "'00000000-0000-0000-0000-000000000000'";
  return {
      .insert = insert_sql(),
      .update = update_sql(),
      .drop_key = "UPDATE amc_message SET idempotency_key = NULL WHERE idempotency_key = $1 AND created_at <= " +
                  now_sql("$2") + " - $3::bigint",
      .find_key = find_key_sql(),
      .find = "SELECT true, 0, " + row_sql("m.", "$2::boolean") +
              " FROM amc_message m WHERE m.id = ANY (string_to_array($1, ',')::uuid[])",
      .past = "SELECT m.past, " + names(columns, "m.") + " FROM amc_message m WHERE m.id = $1::uuid",
      .due = due_sql(),
      .waiting = waiting_sql(),
      .list = list_sql(""),
      .list_dead = list_sql("status = 'dead' AND "),
      .counts = counts_sql(),
      .owned =
          "SELECT count(*) FROM (SELECT FROM amc_message WHERE status = 'pending' AND owner <> '' AND owner = $1 "
          "LIMIT $2::bigint) AS owned",
      .before = before_sql(),
      .holders = holders_sql(),
      .purge = purge_sql(),
      .make_due = make_due_sql(),
      .pause = "INSERT INTO amc_paused_queue SELECT $1::text, " + now_sql("$2") + ", $3::text ON CONFLICT DO NOTHING",
      .resume = "DELETE FROM amc_paused_queue WHERE queue = $1",
      .paused = "SELECT queue, since, asked_by FROM amc_paused_queue",
      // With every right that changes need.
      .try_insert =
          "INSERT INTO amc_message (id, revision, status, queue, due, held, claim, unanswered, failures, created_at, "
          "updated_at, text) VALUES ('00000000-0000-0000-0000-000000000000', 1, 'done', '', 0, false, 0, 0, 0, 0, 0, "
          "'')",
      .try_update = "UPDATE amc_message SET revision = 2 WHERE id = " + nil,
      .try_delete = "DELETE FROM amc_message WHERE id = " + nil,
      .now = "SELECT " + now_sql("$1"),
  };
}

}  // namespace

const statements& say() {
  static const auto all = render();
  return all;
}

}  // namespace amc::message_store::postgresql
