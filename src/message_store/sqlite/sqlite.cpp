#include "message_store/sqlite/sqlite.hpp"

#include <optional>

#include "core/log.hpp"
#include "core/uuid_source.hpp"
#include "message_store/attempts.hpp"
#include "message_store/sqlite/database.hpp"
#include "message_store/sqlite/reader.hpp"
#include "message_store/sqlite/rows.hpp"
#include "message_store/sqlite/schema.hpp"
#include "message_store/unreadable_rows.hpp"

namespace amc::message_store {
namespace {

using sqlite::columns;
using sqlite::database;
using sqlite::ending;
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
  const auto unanswered = s.count(5);
  return {.id = s.id(0),
          .revision = s.count(1),
          .queue = s.text(2),
          .due = s.time(3),
          .held = s.flag(4),
          .unanswered = unanswered,
          .used_up = unanswered >= s.count(6),
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
  migration migrate() {
    auto done = sqlite::migrate(file_);
    say_.emplace(file_.handle());
    return done;
  }

  std::shared_ptr<unreadable_rows> faults() const { return faults_; }

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

  std::vector<found_row> find(std::span<const uuid> ids) override {
    file_.refuse_when_broken();
    std::vector<found_row> rows;
    rows.reserve(ids.size());
    for (const auto& id : ids) {
      try {
        rows.push_back({.now = find_one(id)});
      } catch (const row_fault&) {
        rows.push_back({.unreadable = true});
      }
    }
    return rows;
  }

  std::vector<due_row> due(std::size_t limit) override {
    file_.refuse_when_broken();
    std::vector<due_row> rows;
    const auto now = now_();
    for (const auto& queue : queues()) {
      auto& s = say_->due;
      const ending in_the_end(s);
      s.bind(1, queue);
      s.bind(2, now);
      s.bind(3, limit_with_unreadable(limit));
      add_due_rows(s, false, limit, rows);
    }
    auto& s = say_->expired;
    const ending in_the_end(s);
    s.bind(1, now);
    s.bind(2, limit_with_unreadable(limit));
    add_due_rows(s, true, limit, rows);
    return rows;
  }

  void make_all_due() override {
    file_.refuse_when_broken();
    file_.set_durable(false);
    const ending in_the_end(say_->make_all_due);
    say_->make_all_due.bind(1, now_());
    file_.execute(say_->make_all_due);
  }

  purged purge(const purge_request& what) override {
    file_.refuse_when_broken();
    file_.set_durable(false);
    const auto now = now_();
    // Ids begin with the time of their making: what is younger than both ages has not been terminal for so long.
    const auto youngest = id_at_time(now - std::min(what.kept, what.dead_kept));
    std::vector<uuid> old;
    purged done;
    {
      auto& s = say_->purge_scan;
      const ending in_the_end(s);
      s.bind(1, what.after);
      s.bind(2, youngest);
      s.bind(3, static_cast<std::int64_t>(what.limit));
      std::size_t looked_at = 0;
      uuid last = what.after;
      while (file_.step(s)) {
        ++looked_at;
        leave_out_unreadable(s, [&] {
          last = s.id(0);
          const auto state = s.status(1);
          const auto kept = state == status::dead ? what.dead_kept : what.kept;
          if (state != status::pending && s.time(2) <= now - kept) old.push_back(last);
        });
      }
      if (looked_at == what.limit && last != what.after) done.next = last;
    }
    if (!old.empty()) remove_all(old);
    done.count = old.size();
    return done;
  }

  void try_writing() override {
    file_.refuse_when_broken();
    file_.set_durable(true);
    file_.in_transaction([&] { sqlite::write_version_again(file_); });
  }

  timestamp now() override { return now_(); }

 private:
  /// What is known to be unreadable takes nobody's place.
  std::int64_t limit_with_unreadable(std::size_t limit) const {
    return static_cast<std::int64_t>(limit + faults_->count());
  }

  void add_due_rows(statement& s, bool expired, std::size_t limit, std::vector<due_row>& rows) {
    for (const auto full = rows.size() + limit; rows.size() < full && file_.step(s);)
      leave_out_unreadable(s, [&] {
        auto found = due_row_at(s, expired);
        if (!faults_->contains(found.id)) rows.push_back(std::move(found));
      });
  }

  template <class Read>
  void leave_out_unreadable(const statement& s, const Read& read) const {
    try {
      read();
    } catch (const row_fault& fault) {
      faults_->note(s.name_of_row(0), fault);
    }
  }

  void remove_all(const std::vector<uuid>& ids) {
    file_.in_transaction([&] {
      for (const auto& id : ids) {
        const ending in_the_end(say_->remove);
        say_->remove.bind(1, id);
        file_.execute(say_->remove);
      }
    });
  }

  outcome apply_one(const change& what, timestamp now) {
    try {
      return apply_to_readable(what, now);
    } catch (const row_fault&) {
      return {.at = now, .unreadable = true};
    }
  }

  outcome apply_to_readable(const change& what, timestamp now) {
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
    auto& drop = say_->drop_key;
    const ending dropped(drop);
    drop.bind(1, once.key);
    drop.bind(2, now - once.kept);
    file_.execute(drop);
    auto& s = say_->find_key;
    const ending in_the_end(s);
    s.bind(1, once.key);
    return only_row(s);
  }

  row find_one(const uuid& id) {
    const ending in_the_end(say_->find);
    say_->find.bind(1, id);
    return only_row(say_->find);
  }

  row only_row(statement& s) {
    if (!file_.step(s)) return nullptr;
    try {
      auto found = row_at(s);
      faults_->forget(found->id);
      return found;
    } catch (const row_fault& fault) {
      faults_->note(s.name_of_row(0), fault);
      throw;
    }
  }

  void write(statement& s, const message& m) {
    const std::string state = to_string(m.status);
    const auto attempts = attempts_text(m.attempts);
    const ending in_the_end(s);
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
    try {
      file_.execute(s);
    } catch (const row_fault& fault) {
      log::error("store", "message " + to_string(m.id) + " takes no change: " + fault.what());
      throw;
    }
  }

  /// The queues with pending rows: one probe of the index for each, whatever they hold.
  std::vector<std::string> queues() {
    std::vector<std::string> names{""};
    auto& s = say_->next_queue;
    for (;;) {
      const ending in_the_end(s);
      s.bind(1, names.back());
      // What is no text comes behind all texts.
      if (!file_.step(s) || !s.is_text(0)) break;
      names.push_back(s.text_as_it_is(0));
    }
    names.erase(names.begin());
    return names;
  }

  std::function<timestamp()> now_;
  std::shared_ptr<unreadable_rows> faults_ = std::make_shared<unreadable_rows>();
  database file_;
  std::optional<statements> say_;
};

}  // namespace

opened_store open_sqlite(sqlite_options options) {
  if (!options.now) options.now = wall_clock;
  auto driver = std::make_unique<sqlite_store>(options);
  driver->migrate();
  opened_store opened;
  opened.reader = sqlite::make_reader(std::move(options), driver->faults());
  opened.drivers.push_back(std::move(driver));
  return opened;
}

migration migrate_sqlite(sqlite_options options, bool only_plan) {
  if (only_plan) return sqlite::plan(options.path);
  return sqlite_store(std::move(options)).migrate();
}

}  // namespace amc::message_store
