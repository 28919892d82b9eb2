#include "message_store/sqlite/sqlite.hpp"

#include <filesystem>
#include <optional>

#include "core/uuid_source.hpp"
#include "message_store/attempts.hpp"
#include "message_store/sqlite/database.hpp"
#include "message_store/sqlite/reader.hpp"
#include "message_store/sqlite/rows.hpp"
#include "message_store/sqlite/schema.hpp"

namespace amc::message_store {
namespace {

using sqlite::columns;
using sqlite::database;
using sqlite::row_at;
using sqlite::statement;

const std::string due_columns = "id, revision, queue, due, held, unanswered, max_claims, traceparent";
const std::string standing_update =
    "UPDATE message SET revision=?2, due=?5, held=?6, claim=?7, unanswered=?8, failures=?9, updated_at=?11, "
    "lease=?12, max_claims=?13, attempts=?14";

/// What the store says to its file. Parameters that are a row are counted like `columns`.
struct statements {
  explicit statements(sqlite3* of) : db(of) {}

  sqlite3* db;
  statement find{db, "SELECT " + columns + " FROM message WHERE id = ?1"};
  statement find_key{db, "SELECT " + columns + " FROM message WHERE idempotency_key = ?1"};
  statement drop_key{db, "UPDATE message SET idempotency_key = NULL WHERE idempotency_key = ?1 AND created_at <= ?2"};
  statement insert{db, "INSERT INTO message (" + columns +
                           ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)"};
  /// Where the status stays, the indexes of some states only need no look.
  statement update_standing{db, standing_update + " WHERE id=?1"};
  statement update{db, standing_update + ", status=?3, queue=?4, text=?19 WHERE id=?1"};
  statement next_queue{db, "SELECT queue FROM message WHERE status = 'pending' AND queue > ?1 ORDER BY queue LIMIT 1"};
  statement due{db, "SELECT " + due_columns +
                        " FROM message WHERE status = 'pending' AND queue = ?1 AND due <= ?2 ORDER BY due LIMIT ?3"};
  statement expired{db, "SELECT " + due_columns +
                            " FROM message WHERE status = 'pending' AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2"};
  statement make_all_due{db, "UPDATE message SET due = ?1 WHERE status = 'pending' AND held = 0 AND due > ?1"};
  statement purge_scan{db, "SELECT id, status, updated_at FROM message WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3"};
  statement remove{db, "DELETE FROM message WHERE id = ?1"};
};

due_row due_row_at(const statement& s, bool expired) {
  const auto unanswered = static_cast<int>(s.number(5));
  return {.id = s.id(0),
          .revision = static_cast<int>(s.number(1)),
          .queue = s.text(2),
          .due = s.time(3),
          .held = s.number(4) != 0,
          .unanswered = unanswered,
          .used_up = unanswered >= s.number(6),
          .expired = expired,
          .traceparent = s.text(7)};
}

timestamp wall_clock() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

class sqlite_store : public store {
 public:
  explicit sqlite_store(sqlite_options options) : now_(std::move(options.now)), file_(std::move(options.path)) {}

  /// To be called once after the making, before anything else.
  migration migrate(bool only_plan) {
    auto plan = sqlite::migrate(file_, only_plan);
    if (!only_plan) say_.emplace(file_.handle());
    return plan;
  }

  std::vector<outcome> apply(std::span<const change> batch) override {
    file_.refuse_when_broken();
    file_.set_durable(std::any_of(batch.begin(), batch.end(), [](const change& c) { return c.durable; }));
    std::vector<outcome> outcomes;
    outcomes.reserve(batch.size());
    file_.in_transaction([&] {
      const auto now = now_();
      for (const auto& what : batch) outcomes.push_back(apply_one(what, now));
    });
    return outcomes;
  }

  std::vector<row> find(std::span<const uuid> ids, bool /*with_text*/) override {
    file_.refuse_when_broken();
    std::vector<row> rows;
    rows.reserve(ids.size());
    for (const auto& id : ids) rows.push_back(find_one(id));
    return rows;
  }

  std::vector<due_row> due(std::size_t limit) override {
    file_.refuse_when_broken();
    std::vector<due_row> rows;
    const auto now = now_();
    for (const auto& queue : queues()) {
      auto& s = say_->due;
      s.bind(1, queue);
      s.bind(2, now);
      s.bind(3, static_cast<std::int64_t>(limit));
      while (file_.step(s)) rows.push_back(due_row_at(s, false));
    }
    auto& s = say_->expired;
    s.bind(1, now);
    s.bind(2, static_cast<std::int64_t>(limit));
    while (file_.step(s)) rows.push_back(due_row_at(s, true));
    return rows;
  }

  void make_all_due() override {
    file_.refuse_when_broken();
    file_.set_durable(false);
    say_->make_all_due.bind(1, now_());
    file_.execute(say_->make_all_due);
  }

  purged purge(const purge_request& what) override {
    file_.refuse_when_broken();
    file_.set_durable(false);
    const auto now = now_();
    // Ids begin with the time of their making: what is younger than both ages has not been terminal for so long.
    const auto youngest = id_at_time(now - std::min(what.kept, what.dead_kept));
    auto& s = say_->purge_scan;
    s.bind(1, what.after);
    s.bind(2, youngest);
    s.bind(3, static_cast<std::int64_t>(what.limit));
    std::vector<uuid> old;
    purged done;
    std::size_t looked_at = 0;
    uuid last{};
    while (file_.step(s)) {
      ++looked_at;
      last = s.id(0);
      const auto state = parse_status(s.text(1)).value_or(status::dead);
      const auto kept = state == status::dead ? what.dead_kept : what.kept;
      if (state != status::pending && s.time(2) <= now - kept) old.push_back(last);
    }
    if (looked_at == what.limit) done.next = last;
    if (!old.empty()) remove_all(old);
    done.count = old.size();
    return done;
  }

  void try_writing() override {
    file_.refuse_when_broken();
    file_.set_durable(true);
    sqlite::write_version_again(file_);
    file_.checkpoint_when_large();
  }

  timestamp now() override { return now_(); }

 private:
  void remove_all(const std::vector<uuid>& ids) {
    file_.in_transaction([&] {
      for (const auto& id : ids) {
        say_->remove.bind(1, id);
        file_.execute(say_->remove);
      }
    });
  }

  outcome apply_one(const change& what, timestamp now) {
    auto current = find_one(what.id);
    if (!current && what.insert && what.then.once) current = find_key(*what.then.once, now);
    if (what.insert ? current != nullptr : !current || !admits(what.when, *current, now)) return {false, current, now};
    auto after = std::make_shared<const message>(changed(what, current.get(), now));
    const bool moves = what.then.text || what.then.status || what.then.queue;
    write(what.insert ? say_->insert : moves ? say_->update : say_->update_standing, *after);
    return {true, std::move(after), now};
  }

  /// The row that has this key; a key that is too old is taken from its row.
  row find_key(const idempotency& once, timestamp now) {
    say_->drop_key.bind(1, once.key);
    say_->drop_key.bind(2, now - once.kept);
    file_.execute(say_->drop_key);
    auto& s = say_->find_key;
    s.bind(1, once.key);
    return only_row(s);
  }

  row find_one(const uuid& id) {
    say_->find.bind(1, id);
    return only_row(say_->find);
  }

  row only_row(statement& s) {
    if (!file_.step(s)) return nullptr;
    auto found = row_at(s);
    s.reset();
    return found;
  }

  void write(statement& s, const message& m) {
    const std::string state = to_string(m.status);
    const auto attempts = attempts_text(m.attempts);
    s.bind(1, m.id);
    s.bind(2, std::int64_t{m.revision});
    s.bind(3, state);
    s.bind(4, m.queue);
    s.bind(5, m.due);
    s.bind(6, std::int64_t{m.held});
    s.bind(7, m.claim);
    s.bind(8, std::int64_t{m.unanswered});
    s.bind(9, std::int64_t{m.failures});
    s.bind(10, m.created_at);
    s.bind(11, m.updated_at);
    s.bind(12, m.lease.count());
    s.bind(13, std::int64_t{m.max_claims});
    s.bind(14, attempts);
    if (&s == &say_->insert) {
      if (m.expires_at) s.bind(15, *m.expires_at);
      if (!m.idempotency_key.empty()) s.bind(16, m.idempotency_key);
      s.bind(17, m.fingerprint);
      s.bind(18, m.traceparent);
    }
    if (&s != &say_->update_standing) s.bind(19, m.text);
    file_.execute(s);
    s.clear();
  }

  /// The queues with pending rows: one probe of the index for each, whatever they hold.
  std::vector<std::string> queues() {
    std::vector<std::string> names{""};
    auto& s = say_->next_queue;
    for (;;) {
      s.bind(1, names.back());
      if (!file_.step(s)) break;
      names.push_back(s.text(0));
      s.reset();
    }
    names.erase(names.begin());
    return names;
  }

  std::function<timestamp()> now_;
  database file_;
  std::optional<statements> say_;
};

}  // namespace

opened_store open_sqlite(sqlite_options options) {
  if (!options.now) options.now = wall_clock;
  auto driver = std::make_unique<sqlite_store>(options);
  driver->migrate(false);
  opened_store opened;
  opened.drivers.push_back(std::move(driver));
  opened.reader = sqlite::make_reader(std::move(options));
  return opened;
}

migration migrate_sqlite(sqlite_options options, bool only_plan) {
  // Opening would make the file.
  if (only_plan && !std::filesystem::exists(options.path)) return sqlite::plan_for_new_file(options.path);
  return sqlite_store(std::move(options)).migrate(only_plan);
}

}  // namespace amc::message_store
