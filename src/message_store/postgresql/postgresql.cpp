#include "message_store/postgresql/postgresql.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/config.hpp"
#include "core/log.hpp"
#include "core/uuid_source.hpp"
#include "message_store/postgresql/asked.hpp"
#include "message_store/postgresql/changes.hpp"
#include "message_store/postgresql/connection.hpp"
#include "message_store/postgresql/reader.hpp"
#include "message_store/postgresql/rows.hpp"
#include "message_store/postgresql/schema.hpp"
#include "message_store/postgresql/session.hpp"
#include "message_store/postgresql/statements.hpp"

namespace amc::message_store {
namespace {

using namespace postgresql;

void prepare(connection& fresh) {
  fresh.prepare("insert", say().insert.c_str());
  fresh.prepare("update", say().update.c_str());
  fresh.prepare("find", say().find.c_str());
  fresh.prepare("due", say().due.c_str());
  fresh.prepare("waiting", say().waiting.c_str());
  fresh.prepare("drop_key", say().drop_key.c_str());
  fresh.prepare("find_key", say().find_key.c_str());
  fresh.prepare("notify", notify_sql);
}

class postgresql_store : public store {
 public:
  postgresql_store(const postgresql_options& options, std::string sender, std::shared_ptr<unreadable_rows> faults)
      : sender_(std::move(sender)),
        past_max_bytes_(std::to_string(options.past_max_bytes)),
        faults_(std::move(faults)),
        session_(options, "store", prepare) {}

  std::vector<outcome> apply(std::span<const change> batch) override {
    std::vector<outcome> outcomes;
    outcomes.reserve(batch.size());
    try {
      apply_or_halve(batch, outcomes);
    } catch (const unavailable& failed) {
      // Halves that came before have been committed.
      if (outcomes.empty()) throw;
      throw unavailable(unavailable::reason::outcome_unknown, failed.what());
    }
    return outcomes;
  }

  std::vector<found_row> find(std::span<const uuid> ids, bool with_text) override {
    if (ids.empty()) return {};
    std::string list;
    for (const auto& id : ids) list += (list.empty() ? "" : ",") + to_string(id);
    const auto results = session_.run({{"find", nullptr, parameters().add(list).add(with_text ? "t" : "f")}});
    const auto* r = results[0].get();
    std::vector<found_row> rows(ids.size());
    for (int at = 0; at < PQntuples(r); ++at) {
      const auto id = id_at(r, at, outcome_columns);
      const auto found = found_row_at(r, at, outcome_columns, columns, *faults_);
      for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] == id) rows[i] = found;
    }
    return rows;
  }

  std::vector<due_row> due(std::size_t limit) override {
    return due_rows("due", parameters().add_if(session_.clock_now()).add(limit_with_unreadable(limit)));
  }

  std::vector<due_row> waiting(const waiting_request& which) override {
    parameters p;
    p.add_if(session_.clock_now()).add(which.queue);
    p.add(std::to_string(which.ring_again.count())).add(limit_with_unreadable(which.limit));
    p.add_if(which.unanswered_below);
    return due_rows("waiting", std::move(p));
  }

  void make_all_due(const std::string& queue) override {
    // A long statement would hold its locks for as long, and find the server's answer late.
    constexpr int limit = 10'000;
    for (int changed_rows = limit; changed_rows == limit;) {
      auto arguments = parameters().add_if(session_.clock_now()).add(std::to_string(limit));
      arguments.add_if(queue.empty() ? std::nullopt : std::optional(queue));
      const auto results = session_.run({{nullptr, say().make_due.c_str(), std::move(arguments)}});
      changed_rows = std::atoi(PQcmdTuples(results[0].get()));
    }
  }

  paused_queues paused(const std::optional<pause_request>& request) override {
    std::vector<connection::call> calls;
    if (request && request->pauses)
      calls.push_back({nullptr, say().pause.c_str(),
                       parameters().add(request->queue).add_if(session_.clock_now()).add(request->by)});
    else if (request)
      calls.push_back({nullptr, say().resume.c_str(), parameters().add(request->queue)});
    calls.push_back({nullptr, say().paused.c_str(), {}});
    const auto results = session_.run(calls);
    const auto* r = results.back().get();
    paused_queues found;
    for (int at = 0; at < PQntuples(r); ++at) found[text_at(r, at, 0)] = {time_at(r, at, 1), text_at(r, at, 2)};
    return found;
  }

  void tell_receiving(std::span<const receiving> who) override {
    if (!who.empty()) session_.run({receiving_call(sender_, who)});
  }

  purged purge(const purge_request& what) override {
    const auto since = now();
    parameters p;
    // Ids begin with the time of their making: what is younger than both ages has not been terminal for so long.
    p.add(to_string(what.after)).add(to_string(id_at_time(since - std::min(what.kept, what.dead_kept))));
    p.add(std::to_string(what.limit));
    p.add_if(std::optional(since - what.kept)).add_if(std::optional(since - what.dead_kept));
    p.add(std::to_string(what.text_bytes_max));
    const auto results = session_.run({{nullptr, say().purge.c_str(), std::move(p)}});
    const auto* r = results[0].get();
    purged done{static_cast<std::size_t>(number_at(r, 0, 0)), {}};
    if (!PQgetisnull(r, 0, 2))
      done.next = parse_uuid(text_at(r, 0, 2));
    else if (number_at(r, 0, 1) == static_cast<std::int64_t>(what.limit))
      done.next = parse_uuid(text_at(r, 0, 3));
    return done;
  }

  void try_writing() override {
    session_.run({{nullptr, say().try_insert.c_str(), {}},
                  {nullptr, say().try_update.c_str(), {}},
                  {nullptr, say().try_delete.c_str(), {}}});
  }

  timestamp now() override {
    const auto results = session_.run({{nullptr, say().now.c_str(), parameters().add_if(session_.clock_now())}});
    return time_at(results[0].get(), 0, 0);
  }

 private:
  /// What is known to be unreadable takes nobody's place.
  std::string limit_with_unreadable(std::size_t limit) const { return std::to_string(limit + faults_->count()); }

  std::vector<due_row> due_rows(const char* sql, parameters asked) {
    const auto results = session_.run({{sql, nullptr, std::move(asked)}});
    const auto* r = results[0].get();
    std::vector<due_row> rows;
    for (int at = 0; at < PQntuples(r); ++at) {
      if (faults_->contains(id_at(r, at, due_flag_columns))) continue;
      const auto found = found_row_at(r, at, due_flag_columns, due_columns, *faults_);
      if (!found.unreadable) rows.push_back(due_row_of(*found.now, *PQgetvalue(r, at, 0) == 't'));
    }
    return rows;
  }

  /// A batch that fails by the fault of one of its changes has been undone whole. Its halves, one after the other, find
  /// which.
  void apply_or_halve(std::span<const change> batch, std::vector<outcome>& outcomes) {
    if (batch.empty()) return;
    if (batch.size() == 1 || fits_a_transaction(batch)) try {
        auto became = apply_together(batch);
        std::move(became.begin(), became.end(), std::back_inserter(outcomes));
        return;
      } catch (const unfit_input& failed) {
        if (batch.size() == 1) {
          log::warning("store", std::string("cannot take a change: ") + failed.what(), log::about{batch[0].id});
          outcomes.push_back({.unfit = failed.what()});
          return;
        }
      }
    apply_or_halve(batch.first(batch.size() / 2), outcomes);
    apply_or_halve(batch.subspan(batch.size() / 2), outcomes);
  }

  /// PostgreSQL takes less than 1 GB as one parameter, and much less within answer_timeout.
  static bool fits_a_transaction(std::span<const change> batch) {
    constexpr std::size_t texts_max_bytes = 16 << 20;
    std::size_t bytes = 0;
    for (const auto& what : batch)
      for (const auto* text : {&what.then.text, &what.then.error, &what.when.text_other_than})
        if (*text) bytes += (*text)->size();
    return bytes <= texts_max_bytes;
  }

  std::vector<outcome> apply_together(std::span<const change> batch) {
    std::vector<connection::call> calls;
    const bool durable = std::any_of(batch.begin(), batch.end(), [](const change& c) { return c.durable; });
    std::vector<statement> statements;
    for (const auto& part : parts_of(batch)) render(batch, part, calls, statements);
    const session::how told{durable, telling_others(batch)};
    const auto results = session_.run(calls, told);
    std::vector<outcome> outcomes(batch.size());
    for (const auto& s : statements) read_outcomes(results[s.place].get(), batch, s.changes, outcomes);
    return outcomes;
  }

  /// What wakes those who wait at other brokers, for a change or for work.
  std::optional<connection::call> telling_others(std::span<const change> batch) {
    std::vector<uuid> ids;
    for (const auto& what : batch)
      if (!what.insert && (what.then.text || what.then.status)) ids.push_back(what.id);
    const auto queues = announced_.after(batch, announcements::clock::now());
    if (ids.empty() && queues.empty()) return {};
    return notify_call(sender_, ids, queues);
  }

  /// Changes of a batch, by their places in it.
  using places = std::vector<std::size_t>;

  /// One of the calls, and the changes whose outcomes it returns.
  struct statement {
    std::size_t place;
    places changes;
  };

  /// What one statement does after the other: each changes a row once, in the order of the ids, so that two batches
  /// cannot wait for each other. New rows with a key are by themselves.
  static std::vector<places> parts_of(std::span<const change> batch) {
    places order(batch.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return batch[a].id < batch[b].id; });
    std::vector<places> parts, rounds;  // of rounds two each: new rows, and changes
    std::size_t round = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto& what = batch[order[i]];
      round = i > 0 && batch[order[i - 1]].id == what.id ? round + 1 : 0;
      if (rounds.size() < 2 * (round + 1)) rounds.resize(2 * (round + 1));
      if (what.insert && what.then.once)
        parts.push_back({order[i]});
      else
        rounds[2 * round + (what.insert ? 0 : 1)].push_back(order[i]);
    }
    parts.insert(parts.end(), std::make_move_iterator(rounds.begin()), std::make_move_iterator(rounds.end()));
    std::erase_if(parts, [](const places& p) { return p.empty(); });
    return parts;
  }

  /// Adds what these changes take.
  void render(std::span<const change> batch, const places& part, std::vector<connection::call>& calls,
              std::vector<statement>& statements) const {
    const auto& first = batch[part.front()];
    std::vector<asked_change> asked;
    asked.reserve(part.size());
    for (const auto i : part) {
      asked.push_back({batch[i]});
      if (first.insert) asked.back().inserted = changed(batch[i], nullptr, {});
    }
    auto arguments = parameters().add_if(session_.clock_now());
    add_asked(arguments, first.insert ? asked_of_inserts() : asked_of_updates(), asked);
    if (!first.insert) arguments.add(past_max_bytes_);
    const auto* once = first.insert && first.then.once ? &*first.then.once : nullptr;
    if (once)
      calls.push_back(
          {"drop_key", nullptr,
           parameters().add(once->key).add_if(session_.clock_now()).add(std::to_string(once->kept.count()))});
    statements.push_back({calls.size(), part});
    calls.push_back({first.insert ? "insert" : "update", nullptr, std::move(arguments)});
    if (!once) return;
    // Nothing is inserted where another row has the key.
    statements.push_back({calls.size(), part});
    calls.push_back(
        {"find_key", nullptr,
         parameters().add(once->key).add_if(session_.clock_now()).add(tells_text(first, false) ? "t" : "f")});
  }

  /// Of changes in the order of their ids; what is known already stays.
  void read_outcomes(const PGresult* r, std::span<const change> batch, const places& changes,
                     std::vector<outcome>& outcomes) const {
    for (int at = 0; at < PQntuples(r); ++at) {
      const auto id = id_at(r, at, outcome_columns);
      // The one that has the key of the only change has another id.
      const auto found =
          std::lower_bound(changes.begin(), changes.end(), id,
                           [&](std::size_t place, const uuid& wanted) { return batch[place].id < wanted; });
      const auto place = changes.size() == 1 ? changes.front() : *found;
      if (outcomes[place].now || outcomes[place].unreadable) continue;
      outcomes[place] = outcome_at(r, at, batch[place]);
    }
  }

  outcome outcome_at(const PGresult* r, int at, const change& what) const {
    outcome became;
    became.at = time_at(r, at, 1);
    const auto id = id_at(r, at, outcome_columns);
    try {
      auto now = row_at(r, at, outcome_columns, columns);
      faults_->forget(id);
      became.applied = *PQgetvalue(r, at, 0) == 't';
      if (became.applied && what.then.text && tells_text(what, true)) now->text = *what.then.text;
      became.now = std::move(now);
    } catch (const row_fault& fault) {
      faults_->note(to_string(id), fault);
      became.unreadable = true;
    }
    return became;
  }

  std::string sender_;
  std::string past_max_bytes_;
  std::shared_ptr<unreadable_rows> faults_;
  session session_;
  announcements announced_;
};

/// Asks the server for what the promise needs, and says what it does not give.
void tell_shortcomings(connection& link) {
  if (link.is_pooled())
    log::info("store",
              "a pooler stands before PostgreSQL: statements are not prepared, and what other processes change is "
              "noticed after broker.store.postgresql.poll_interval_ms");
  const auto r = link.run({{nullptr,
                            "SELECT current_setting('fsync'), pg_is_in_recovery(), "
                            "current_setting('transaction_read_only')"}});
  if (text_at(r[0].get(), 0, 0) == "off")
    log::warning("store", "this PostgreSQL runs with fsync = off: a power loss may lose what was accepted");
  if (text_at(r[0].get(), 0, 1) == "t")
    // not covered: a standby takes a second server that replicates
    log::warning("store",
                 "this PostgreSQL is a standby: it takes no message until it is promoted; with several hosts in "
                 "broker.store.postgresql.url add target_session_attrs=read-write");
  else if (text_at(r[0].get(), 0, 2) == "on")
    log::warning("store", "this database is read only (default_transaction_read_only): it takes no message");
}

/// Missing rights, and tables of somebody else, are told at once and not by the first message. Whether the database can
/// be written at all is another matter: that comes and goes.
void try_everything(store& driver) {
  driver.find(std::array{uuid{}}, true);
  driver.paused({});
  try {
    driver.try_writing();
  } catch (const unavailable& failed) {
    if (failed.why() == unavailable::reason::refused) throw;
  }
}

}  // namespace

opened_store open_postgresql(const postgresql_options& options) {
  migrate_postgresql(options, false);
  const auto sender = new_sender();
  const auto faults = std::make_shared<unreadable_rows>();
  opened_store opened;
  for (std::size_t i = 0; i < options.connections; ++i)
    opened.drivers.push_back(std::make_unique<postgresql_store>(options, sender, faults));
  try_everything(*opened.drivers.front());
  opened.reader = make_reader(options, faults);
  opened.changes_elsewhere = make_change_feed(options, sender);
  return opened;
}

std::optional<std::string> complaint_of_postgresql_url(const std::string& url) {
  return read_conninfo(url).complaint;
}

migration migrate_postgresql(const postgresql_options& options, bool only_plan) {
  try {
    connection link(options, "migration");
    auto done = migrate(link, options.url, only_plan);
    tell_shortcomings(link);
    return done;
  } catch (const server_error& failed) {
    throw failed.as_unavailable();
  }
}

}  // namespace amc::message_store
