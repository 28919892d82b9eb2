#include "message_store/sqlite/sqlite.hpp"

#include <array>
#include <optional>

#include "core/log.hpp"
#include "core/text.hpp"
#include "core/uuid_source.hpp"
#include "message_store/sqlite/database.hpp"
#include "message_store/sqlite/reader.hpp"
#include "message_store/sqlite/recent_rows.hpp"
#include "message_store/sqlite/rows.hpp"
#include "message_store/sqlite/schema.hpp"
#include "message_store/unreadable_rows.hpp"

namespace amc::message_store {
namespace {

using sqlite::bind_row;
using sqlite::database;
using sqlite::ending;
using sqlite::row_at;
using sqlite::statement;

constexpr uuid greatest_id{
    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/// What says whether a row is old enough to be deleted.
constexpr std::array purge_columns{column_of(&message::id), column_of(&message::status),
                                   column_of(&message::updated_at)};

/// Where a pending row stands in its queue.
struct place_in_queue {
  timestamp due{};
  uuid id{};
};

/// ?1 queue, ?2 now, ?3 how long after its ringing a row is due again, ?4 limit, ?5 unanswered below. Read in the
/// index's order, and no further than the limit.
std::string waiting_sql(const std::string& condition) {
  return "SELECT " + names(due_columns) + " FROM message WHERE status = 'pending' AND queue = ?1 AND " + condition +
         " AND unanswered < min(max_claims, ?5) AND (expires_at IS NULL OR expires_at > ?2) ORDER BY due LIMIT ?4";
}

/// What the store says to its file.
struct statements {
  explicit statements(sqlite3* of) : db(of) {}

  sqlite3* db;
  statement find{db, "SELECT " + names(columns) + " FROM message WHERE id = ?1"};
  statement find_without_text{db, "SELECT " + names(columns_without_text) + " FROM message WHERE id = ?1"};
  statement text_of{db, "SELECT text FROM message WHERE id = ?1"};
  statement find_key{db, "SELECT " + names(columns_without_text) + " FROM message WHERE idempotency_key = ?1"};
  statement drop_key{
      db, "UPDATE message SET idempotency_key = NULL WHERE idempotency_key = ?1 AND created_at <= ?2 RETURNING id"};
  statement changes_by_others{db, "PRAGMA data_version"};
  statement insert{db, sqlite::insert_sql()};
  /// Where the status and the queue stay, the indexes need no look; and a text that stays is not passed through here.
  statement update{db, sqlite::update_sql(column::writer::any_change)};
  statement update_place{db, sqlite::update_sql(column::writer::change_of_place)};
  statement update_text{db, sqlite::update_sql(column::writer::change_of_text)};
  statement& writing(column::writer by) {
    switch (by) {
      case column::writer::insert:
        return insert;
      case column::writer::change_of_text:
        return update_text;
      case column::writer::change_of_place:
        return update_place;
      case column::writer::any_change:
        break;
    }
    return update;
  }
  /// A text that nobody has read goes from one table to the other.
  statement keep_past{db, "INSERT OR REPLACE INTO past_content VALUES (?1, ?2, ?3, ?4, ?5, ?6)"};
  statement move_to_past{db,
                         "INSERT OR REPLACE INTO past_content SELECT id, revision, form, content_type, "
                         "length(CAST(text AS BLOB)), text FROM message "
                         "WHERE id = ?1 AND length(CAST(text AS BLOB)) <= ?2"};
  statement past_bytes{db, "SELECT coalesce(sum(bytes + ?2), 0) FROM past_content WHERE id = ?1"};
  /// The oldest of them, until the rest have no more than so many bytes.
  statement shorten_past{
      db,
      "DELETE FROM past_content WHERE id = ?1 AND revision <= (SELECT max(revision) FROM (SELECT revision, "
      "sum(bytes + ?3) OVER (ORDER BY revision DESC) AS so_far FROM past_content WHERE id = ?1) WHERE so_far > ?2)"};
  statement drop_past{db, "DELETE FROM past_content WHERE id = ?1 RETURNING bytes"};
  statement next_queue{db, "SELECT queue FROM message WHERE status = 'pending' AND queue > ?1 ORDER BY queue LIMIT 1"};
  statement due{db, "SELECT " + names(due_columns) +
                        " FROM message WHERE status = 'pending' AND queue = ?1 AND due <= ?2 ORDER BY due LIMIT ?3"};
  statement waiting_rung{db, waiting_sql("due > ?2 AND due <= ?2 + ?3 AND NOT held")};
  statement waiting_due{db, waiting_sql("due <= ?2")};
  statement expired{db, "SELECT " + names(due_columns) +
                            " FROM message WHERE status = 'pending' AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2"};
  /// Goes on after a row; by the index, in its order.
  statement not_due{db,
                    "SELECT id, due FROM message WHERE status = 'pending' AND queue = ?1 AND NOT held "
                    "AND (due, held, id) > (?2, 0, ?3) ORDER BY due, held, id LIMIT ?4"};
  statement pause{db, "INSERT INTO paused_queue VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"};
  statement resume{db, "DELETE FROM paused_queue WHERE queue = ?1"};
  statement paused{db, "SELECT queue, since, asked_by FROM paused_queue"};
  statement make_due{db, "UPDATE message SET due = ?1 WHERE id = ?2 RETURNING length(CAST(text AS BLOB))"};
  statement make_due_first{
      db, "UPDATE message SET due = min(?1, created_at) WHERE id = ?2 RETURNING length(CAST(text AS BLOB))"};
  statement purge_scan{
      db, "SELECT " + names(purge_columns) + " FROM message WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3"};
  statement remove{db, "DELETE FROM message WHERE id = ?1 RETURNING length(CAST(text AS BLOB))"};
};

/// SQLite would keep other bytes, too, and nobody could read the row.
bool is_text(const effect& then) {
  for (const auto* text : {&then.text, &then.queue, &then.error})
    if (*text && !is_valid_utf8(**text)) return false;
  for (const auto* text : {&then.traceparent, &then.tracestate, &then.owner, &then.holder, &then.content_type})
    if (!is_valid_utf8(*text)) return false;
  for (const auto& h : then.headers.value_or(std::vector<header>()))
    if (!is_valid_utf8(h.name) || !is_valid_utf8(h.value)) return false;
  return (!then.once || (is_valid_utf8(then.once->key) && is_valid_utf8(then.once->fingerprint)));
}

/// The table takes no such row: a constraint or a trigger of somebody else's, or a value of too many bytes.
struct unfit_change : std::runtime_error {
  using std::runtime_error::runtime_error;
};

timestamp wall_clock() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

class sqlite_store : public store {
 public:
  explicit sqlite_store(sqlite_options options)
      : now_(std::move(options.now)), past_max_bytes_(options.past_max_bytes), file_(std::move(options.path)) {}

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
    try {
      file_.in_transaction([&] {
        forget_what_others_have_changed();
        const auto now = now_();
        for (const auto& what : batch) outcomes.push_back(apply_one(what, now));
      });
    } catch (...) {
      recent_.drop_all();  // nothing was written
      throw;
    }
    return outcomes;
  }

  std::vector<found_row> find(std::span<const uuid> ids, bool with_text) override {
    file_.refuse_when_broken();
    std::vector<found_row> rows;
    rows.reserve(ids.size());
    auto& s = with_text ? say_->find : say_->find_without_text;
    for (const auto& id : ids) {
      try {
        rows.push_back({.now = found_by(s, id)});
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

  std::vector<due_row> waiting(const waiting_request& which) override {
    file_.refuse_when_broken();
    std::vector<due_row> rows;
    const auto now = now_();
    for (auto* s : {&say_->waiting_rung, &say_->waiting_due}) {
      const ending in_the_end(*s);
      const auto limit = which.limit - rows.size();
      s->bind(1, which.queue);
      s->bind(2, now);
      if (s == &say_->waiting_rung) s->bind(3, static_cast<std::int64_t>(which.ring_again.count()));
      s->bind(4, limit_with_unreadable(limit));
      s->bind(5, std::int64_t{which.unanswered_below.value_or(INT32_MAX)});
      add_due_rows(*s, false, limit, rows);
    }
    return rows;
  }

  void make_all_due(const std::string& only) override {
    file_.refuse_when_broken();
    file_.set_durable(false);
    recent_.drop_all();
    const auto now = now_();
    for (const auto& queue : only.empty() ? queues() : std::vector{only}) {
      place_in_queue last{now, greatest_id};
      for (auto next = not_due(queue, last); !next.empty(); next = not_due(queue, last)) {
        for (std::size_t at = 0; at < next.size();)
          at += change_some(next.size() - at, text_bytes_max, [&](std::size_t i) {
            auto& s = only.empty() ? say_->make_due : say_->make_due_first;
            const ending made(s);
            s.bind(1, now);
            s.bind(2, next[at + i].id);
            return run_for_bytes(s, next[at + i].id);
          });
        last = next.back();
      }
    }
  }

  paused_queues paused(const std::optional<pause_request>& request) override {
    file_.refuse_when_broken();
    if (request) {
      file_.set_durable(true);
      file_.in_transaction([&] { set_paused(*request); });
    }
    paused_queues found;
    auto& s = say_->paused;
    const ending in_the_end(s);
    while (file_.step(s)) found[s.text(0)] = {s.time(1), s.text(2)};
    return found;
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
          const auto found = row_at(s, purge_columns);
          const auto kept = found->status == status::dead ? what.dead_kept : what.kept;
          if (found->status != status::pending && found->updated_at <= now - kept) old.push_back(last);
        });
      }
      if (looked_at == what.limit && last != what.after) done.next = last;
    }
    done.count = change_some(old.size(), what.text_bytes_max, [&](std::size_t i) {
      const ending in_the_end(say_->remove);
      say_->remove.bind(1, old[i]);
      return run_for_bytes(say_->remove, old[i]) + drop_past(old[i]);
    });
    if (done.count < old.size()) done.next = old[done.count - 1];
    return done;
  }

  void try_writing() override {
    file_.refuse_when_broken();
    file_.set_durable(true);
    file_.in_transaction([&] { sqlite::write_version_again(file_); });
  }

  timestamp now() override { return now_(); }

 private:
  /// Of one transaction that only rewrites or deletes.
  static constexpr std::size_t text_bytes_max = 16 << 20;

  /// What is known to be unreadable takes nobody's place.
  std::int64_t limit_with_unreadable(std::size_t limit) const {
    return static_cast<std::int64_t>(limit + faults_->count());
  }

  void add_due_rows(statement& s, bool expired, std::size_t limit, std::vector<due_row>& rows) {
    for (const auto full = rows.size() + limit; rows.size() < full && file_.step(s);)
      leave_out_unreadable(s, [&] {
        auto found = due_row_of(*row_at(s, due_columns), expired);
        if (!faults_->contains(found.id)) rows.push_back(std::move(found));
      });
  }

  void set_paused(const pause_request& what) {
    auto& s = what.pauses ? say_->pause : say_->resume;
    const ending in_the_end(s);
    s.bind(1, what.queue);
    if (what.pauses) {
      s.bind(2, now_());
      s.bind_copy(3, what.by);
    }
    file_.execute(s);
  }

  template <class Read>
  void leave_out_unreadable(const statement& s, const Read& read) const {
    try {
      read();
    } catch (const row_fault& fault) {
      faults_->note(s.name_of_row(0), fault);
    }
  }

  outcome apply_one(const change& what, timestamp now) {
    outcome became;
    became.at = now;
    if (!is_text(what.then)) {
      became.unfit = "a text is not valid UTF-8";
      return became;
    }
    try {
      return apply_to_readable(what, now);
    } catch (const unfit_change& refused) {
      became.unfit = refused.what();
    } catch (const row_fault&) {
      became.unreadable = true;
    }
    return became;
  }

  /// A text is read where the guard asks for it, or somebody is told of it and has not brought it along.
  outcome apply_to_readable(const change& what, timestamp now) {
    if (what.insert && !what.then.once)
      if (auto made = inserted(what, now)) return {.applied = true, .now = std::move(made), .at = now};
    auto [kept, past_bytes_max] = recent_.find(what.id);
    bool whole = kept != nullptr;
    auto current = kept ? std::make_shared<message>(*kept) : found_by(say_->find_without_text, what.id);
    if (!current && what.insert && what.then.once) current = find_key(*what.then.once, now);
    const auto read_whole = [&] {
      if (!std::exchange(whole, true)) read_text(*current);
    };
    bool applies = what.insert ? !current : current && admits_but_for_text(what.when, *current, now);
    if (applies && asks_for_text(what.when)) {
      read_whole();
      applies = admits(what.when, *current, now);
    }
    if (current && tells_text(what, applies) && !(applies && what.then.text)) read_whole();
    if (applies) {
      if (!current) current = std::make_shared<message>(fresh_row(what.id, now));
      if (supersedes(what)) past_bytes_max = keep_past(*current, whole, past_bytes_max);
      if (what.then.erases) drop_past(what.id);
      change_row(what, *current, now);
      write(what, *current);
      remember(current, whole || what.then.text, tells_text(what, true), past_bytes_max);
    }
    if (current && !tells_text(what, applies)) current->text.clear();
    return {.applied = applies, .now = std::move(current), .at = now};
  }

  /// A new row; null where there is one with its id.
  std::shared_ptr<message> inserted(const change& what, timestamp now) {
    auto made = std::make_shared<message>(fresh_row(what.id, now));
    change_row(what, *made, now);
    write(what, *made);
    if (sqlite3_changes64(file_.handle()) == 0) return nullptr;
    remember(made, true, tells_text(what, true), 0);
    if (!tells_text(what, true)) made->text.clear();
    return made;
  }

  using known_bytes = std::optional<std::size_t>;

  /// What a revision said that another is about to follow. `whole`: with its text. `so_far`: what was kept before has
  /// no more bytes than that. Returns the same for what is kept then.
  known_bytes keep_past(const message& before, bool whole, known_bytes so_far) {
    if (past_max_bytes_ <= past_content_overhead_bytes) return so_far;
    const auto text_max_bytes = past_max_bytes_ - past_content_overhead_bytes;
    if (whole && before.text.size() > text_max_bytes) return so_far;
    auto& keep = whole ? say_->keep_past : say_->move_to_past;
    const ending kept(keep);
    keep.bind(1, before.id);
    if (whole) {
      keep.bind(2, std::int64_t{before.revision});
      keep.bind_constant(3, to_string(before.form));
      keep.bind(4, before.content_type);
      keep.bind(5, static_cast<std::int64_t>(before.text.size()));
      keep.bind(6, before.text);
    } else {
      keep.bind(2, static_cast<std::int64_t>(text_max_bytes));
    }
    file_.execute(keep);
    if (whole && so_far) so_far = *so_far + before.text.size() + past_content_overhead_bytes;
    const bool may_be_too_much = before.revision > 1 && (!whole || !so_far || *so_far > past_max_bytes_);
    if (may_be_too_much) so_far = shortened_past(before.id);
    return so_far;
  }

  std::size_t past_bytes_of(const uuid& id) {
    auto& s = say_->past_bytes;
    const ending in_the_end(s);
    s.bind(1, id);
    s.bind(2, static_cast<std::int64_t>(past_content_overhead_bytes));
    return file_.step(s) ? static_cast<std::size_t>(s.number(0)) : 0;
  }

  /// Returns how many bytes are left, at most.
  std::size_t shortened_past(const uuid& id) {
    const auto bytes = past_bytes_of(id);
    if (bytes <= past_max_bytes_) return bytes;
    auto& shorten = say_->shorten_past;
    const ending shortened(shorten);
    shorten.bind(1, id);
    shorten.bind(2, static_cast<std::int64_t>(past_max_bytes_));
    shorten.bind(3, static_cast<std::int64_t>(past_content_overhead_bytes));
    file_.execute(shorten);
    return past_max_bytes_;
  }

  /// A row as it was written. `shared`: it will not be changed any more.
  void remember(const std::shared_ptr<message>& written, bool whole, bool shared, known_bytes past_bytes_max) {
    if (!whole || written->status != status::pending)
      recent_.drop(written->id);
    else
      recent_.keep({shared ? written : std::make_shared<message>(*written), past_bytes_max});
  }

  /// By hand, as nobody else may write while this process owns the file.
  void forget_what_others_have_changed() {
    auto& s = say_->changes_by_others;
    const ending in_the_end(s);
    file_.step(s);
    const auto version = s.number(0);
    if (std::exchange(version_, version) != version) recent_.drop_all();
  }

  /// The row that has this key, without its text; a key that is too old is taken from its row.
  std::shared_ptr<message> find_key(const idempotency& once, timestamp now) {
    auto& drop = say_->drop_key;
    const ending dropped(drop);
    drop.bind(1, once.key);
    drop.bind(2, now - once.kept);
    while (file_.step(drop)) recent_.drop(drop.id(0));
    return found_by(say_->find_key, once.key);
  }

  template <class Key>
  std::shared_ptr<message> found_by(statement& s, const Key& key) {
    const ending in_the_end(s);
    s.bind(1, key);
    if (!file_.step(s)) return nullptr;
    try {
      auto found = row_at(s, &s == &say_->find ? all_columns : columns_without_text);
      if (&s == &say_->find) faults_->forget(found->id);
      return found;
    } catch (const row_fault& fault) {
      faults_->note(s.name_of_row(0), fault);
      throw;
    }
  }

  void read_text(message& of) {
    if (!of.text.empty()) return;
    auto& s = say_->text_of;
    const ending in_the_end(s);
    s.bind(1, of.id);
    if (!file_.step(s)) return;
    try {
      of.text = s.text(0);
    } catch (const row_fault& fault) {
      faults_->note(to_string(of.id), fault);
      throw;
    }
  }

  void write(const change& what, const message& after) {
    const auto& then = what.then;
    const auto by = what.insert                ? column::writer::insert
                    : then.text || then.erases ? column::writer::change_of_text
                    : what_becomes(what)       ? column::writer::change_of_place
                                               : column::writer::any_change;
    auto& s = say_->writing(by);
    const ending in_the_end(s);
    try {
      bind_row(s, after, by);
      file_.execute(s);
    } catch (const row_fault& fault) {
      log::warning("store", std::string("cannot take a change: ") + fault.what(), log::about{after.id, after.revision});
      throw unfit_change(fault.what());
    }
  }

  /// One transaction: calls `change_one(i)`, which tells the bytes of a text, until that was `count` times or the texts
  /// have so many. Returns how often.
  template <class Change>
  std::size_t change_some(std::size_t count, std::size_t bytes_max, const Change& change_one) {
    if (count == 0) return 0;
    std::size_t done = 0, bytes = 0;
    file_.in_transaction([&] {
      while (done < count && (done == 0 || bytes < bytes_max)) bytes += change_one(done++);
    });
    return done;
  }

  /// Of a statement that returns how long the text is of the row that it changes. A row that it cannot change stays.
  std::size_t run_for_bytes(statement& s, const uuid& id) {
    std::size_t bytes = 0;
    try {
      while (file_.step(s)) bytes += static_cast<std::size_t>(s.number(0));
    } catch (const row_fault& fault) {
      faults_->note(to_string(id), fault);
    }
    return bytes;
  }

  /// The bytes of what the earlier revisions said, which is deleted.
  std::size_t drop_past(const uuid& id) {
    const ending in_the_end(say_->drop_past);
    say_->drop_past.bind(1, id);
    return run_for_bytes(say_->drop_past, id);
  }

  /// Those that come behind it, are not due and not held.
  std::vector<place_in_queue> not_due(const std::string& queue, const place_in_queue& last) {
    constexpr std::int64_t limit = 1'000;
    auto& s = say_->not_due;
    const ending in_the_end(s);
    s.bind(1, queue);
    s.bind(2, last.due);
    s.bind(3, last.id);
    s.bind(4, limit);
    std::vector<place_in_queue> found;
    while (file_.step(s)) leave_out_unreadable(s, [&] { found.push_back({s.time(1), s.id(0)}); });
    return found;
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
  std::size_t past_max_bytes_;
  std::shared_ptr<unreadable_rows> faults_ = std::make_shared<unreadable_rows>();
  database file_;
  std::optional<statements> say_;
  sqlite::recent_rows recent_;
  std::int64_t version_ = 0;  ///< of what others have changed
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
