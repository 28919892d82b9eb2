#include "message_store/sqlite/schema.hpp"

#include <filesystem>

namespace amc::message_store::sqlite {
namespace {

constexpr schema_step steps[] = {
    {"the table of messages and the index of what is due",
     // WITHOUT ROWID: one tree holds the row, and ids that grow append to it.
     R"sql(
CREATE TABLE message (
  id         BLOB    NOT NULL PRIMARY KEY,
  revision   INTEGER NOT NULL,
  status     TEXT    NOT NULL,
  queue      TEXT    NOT NULL,
  due        INTEGER NOT NULL,  -- milliseconds since 1970, as all times here
  held       INTEGER NOT NULL,
  claim      INTEGER NOT NULL,
  unanswered INTEGER NOT NULL,
  failures   INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  text       TEXT    NOT NULL
) WITHOUT ROWID;
CREATE INDEX message_due ON message (queue, due) WHERE status = 'pending';
)sql"},
    {"failures and their history, leases and claims of each queue, expiry, idempotency keys, trace context",
     // The rows of these indexes end with the id: what is counted and listed is read from them alone.
     R"sql(
ALTER TABLE message ADD COLUMN lease INTEGER NOT NULL DEFAULT 10000;
ALTER TABLE message ADD COLUMN max_claims INTEGER NOT NULL DEFAULT 5;
ALTER TABLE message ADD COLUMN attempts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE message ADD COLUMN expires_at INTEGER;
ALTER TABLE message ADD COLUMN idempotency_key TEXT;
ALTER TABLE message ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
DROP INDEX message_due;
CREATE INDEX message_due ON message (queue, due, held) WHERE status = 'pending';
CREATE INDEX message_expiry ON message (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;
CREATE INDEX message_dead ON message (queue) WHERE status = 'dead';
CREATE UNIQUE INDEX message_key ON message (idempotency_key) WHERE idempotency_key IS NOT NULL;
)sql"},
    {"forms and types of contents, headers, who made a message and who holds it, history",
     R"sql(
ALTER TABLE message ADD COLUMN tracestate TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN form TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN content_type TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN headers TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN holder TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN last_queue TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN history TEXT NOT NULL DEFAULT '';
)sql"},
    {"the index of what each owner has pending",
     R"sql(
CREATE INDEX message_owned ON message (owner) WHERE status = 'pending' AND owner <> '';
)sql"},
    {"when a message was rung, claimed and erased, and what its earlier revisions said",
     // A table of its own: a change writes its row anew, whatever it changes. What is large stands last.
     R"sql(
ALTER TABLE message ADD COLUMN rung_at INTEGER;
ALTER TABLE message ADD COLUMN claimed_at INTEGER;
ALTER TABLE message ADD COLUMN erased_at INTEGER;
CREATE TABLE past_content (
  id           BLOB    NOT NULL,
  revision     INTEGER NOT NULL,
  form         TEXT    NOT NULL,
  content_type TEXT    NOT NULL,
  bytes        INTEGER NOT NULL,  -- of the text
  text         TEXT    NOT NULL,
  PRIMARY KEY (id, revision)
) WITHOUT ROWID;
)sql"},
    {"the queues that are paused",
     R"sql(
CREATE TABLE paused_queue (
  queue    TEXT    NOT NULL PRIMARY KEY,
  since    INTEGER NOT NULL,
  asked_by TEXT    NOT NULL
) WITHOUT ROWID;
)sql"},
};

constexpr const char* path_key = "broker.store.sqlite.path";

void set_version(database& file, int version) {
  file.run("PRAGMA user_version = " + std::to_string(version));
}

int version_of(database& file) {
  statement asked(file.handle(), "PRAGMA user_version");
  const ending in_the_end(asked);
  return file.step(asked) ? static_cast<int>(asked.number(0)) : 0;
}

}  // namespace

migration plan(const std::string& path) {
  if (!std::filesystem::exists(path)) return plan_migration(0, steps, path, path_key);
  database file(path, database::use::looking);
  migration found;
  file.starting([&] { found = plan_migration(version_of(file), steps, path, path_key); });
  return found;
}

migration migrate(database& file) {
  migration plan;
  file.starting([&] {
    plan = plan_migration(version_of(file), steps, file.path(), path_key);
    for (int next = plan.from + 1; next <= plan.to; ++next)
      file.in_transaction([&] {
        file.run(steps[next - 1].sql);
        set_version(file, next);
      });
  });
  return plan;
}

void write_version_again(database& file) {
  // It is this already; the page that holds it is written all the same.
  set_version(file, static_cast<int>(std::size(steps)));
}

}  // namespace amc::message_store::sqlite
