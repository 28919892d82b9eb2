#include "message_store/postgresql/schema.hpp"

#include "core/config.hpp"

namespace amc::message_store::postgresql {
namespace {

constexpr schema_step steps[] = {
    {"the table of messages and the index of what is due",
     // fillfactor leaves room for the next versions of a row on its page: a step changes each row a few times.
     R"sql(
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
)sql"},
    {"failures and their history, leases and claims of each queue, expiry, idempotency keys, trace context",
     R"sql(
ALTER TABLE amc_message
  ADD COLUMN lease           bigint  NOT NULL DEFAULT 10000,
  ADD COLUMN max_claims      integer NOT NULL DEFAULT 5,
  ADD COLUMN attempts        jsonb   NOT NULL DEFAULT '[]',
  ADD COLUMN expires_at      bigint,
  ADD COLUMN idempotency_key text,
  ADD COLUMN fingerprint     text    NOT NULL DEFAULT '',
  ADD COLUMN traceparent     text    NOT NULL DEFAULT '';
CREATE INDEX amc_message_expiry ON amc_message (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;
CREATE INDEX amc_message_dead ON amc_message (queue, id) WHERE status = 'dead';
CREATE UNIQUE INDEX amc_message_key ON amc_message (idempotency_key) WHERE idempotency_key IS NOT NULL;
)sql"},
    {"forms and types of contents, headers, who made a message and who holds it, history",
     // Rows with what a process of 0.1.0 beside this one would not know are kept with max_claims negated. It reads no
     // such row, claims none, and an answer of its own, which sets max_claims, does not pass the check. NOT VALID: what
     // is there already is right, and need not be looked through.
     R"sql(
ALTER TABLE amc_message
  ADD COLUMN tracestate   text NOT NULL DEFAULT '',
  ADD COLUMN owner        text NOT NULL DEFAULT '',
  ADD COLUMN form         text NOT NULL DEFAULT '',
  ADD COLUMN content_type text NOT NULL DEFAULT '',
  ADD COLUMN headers      text NOT NULL DEFAULT '',
  ADD COLUMN holder       text NOT NULL DEFAULT '',
  ADD COLUMN last_queue   text NOT NULL DEFAULT '',
  ADD COLUMN history      text NOT NULL DEFAULT '',
  ADD CONSTRAINT amc_message_unknown_to_schema_2
    CHECK ((max_claims < 0) = (content_type <> '' OR headers <> '')) NOT VALID;
)sql"},
    {"the index of what each owner has pending",
     R"sql(
CREATE INDEX amc_message_owned ON amc_message (owner) WHERE status = 'pending' AND owner <> '';
)sql"},
    {"when a message was rung, claimed and erased, and what its earlier revisions said",
     // In the row, and not in a table of its own: only the row that a change has locked is sure to say what it changes,
     // and what is large is kept elsewhere by the server and copied by no other change. A process of 0.1.0 beside this
     // one must not retry what was erased. NOT VALID: what is there already is right.
     R"sql(
ALTER TABLE amc_message
  ADD COLUMN rung_at    bigint,
  ADD COLUMN claimed_at bigint,
  ADD COLUMN erased_at  bigint,
  ADD COLUMN past       text NOT NULL DEFAULT '',
  ADD CONSTRAINT amc_message_erased_for_good CHECK (erased_at IS NULL OR status <> 'pending') NOT VALID;
)sql"},
    {"the queues that are paused",
     R"sql(
CREATE TABLE amc_paused_queue (
  queue    text   NOT NULL PRIMARY KEY,
  since    bigint NOT NULL,
  asked_by text   NOT NULL
);
)sql"},
};

int version_found(connection& link) {
  // Not to_regclass: it may answer from a cache of what was there before the lock was had.
  const auto table = link.run(
      {{nullptr,
        "SELECT FROM pg_tables WHERE tablename = 'amc_schema' AND schemaname = ANY (current_schemas(false))"}});
  if (PQntuples(table[0].get()) == 0) return 0;
  const auto version = link.run({{nullptr, "SELECT coalesce(max(version), 0) FROM amc_schema"}});
  return static_cast<int>(number_at(version[0].get(), 0, 0));
}

migration plan_for(connection& link, const std::string& url) {
  return plan_migration(version_found(link), steps, mask_url(url), "broker.store.postgresql.url");
}

}  // namespace

migration migrate(connection& link, const std::string& url, bool only_plan) {
  auto plan = plan_for(link, url);
  if (only_plan || plan.steps.empty()) return plan;
  // Not behind a long transaction for ever, with every broker behind this one.
  link.script(
      "BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '10s'; "
      "SELECT pg_advisory_xact_lock(7012203)");
  plan = plan_for(link, url);  // another process may have done it meanwhile
  try {
    if (plan.from == 0) link.script("CREATE TABLE amc_schema (version integer NOT NULL)");
    for (int version = plan.from + 1; version <= plan.to; ++version) link.script(steps[version - 1].sql);
  } catch (const server_error& failed) {
    constexpr const char* duplicate_table = "42P07";
    if (failed.sqlstate != duplicate_table) throw;
    throw startup_error(mask_url(url) + ": somebody else has a table of this name: " + failed.what() +
                        "; give AMC a database or a schema (search_path) of its own, and set " +
                        "broker.store.postgresql.url");
  }
  if (!plan.steps.empty())
    link.script("DELETE FROM amc_schema; INSERT INTO amc_schema VALUES (" + std::to_string(plan.to) + ")");
  link.script("COMMIT");
  return plan;
}

}  // namespace amc::message_store::postgresql
