#include "message_store/postgresql/postgresql.hpp"

#include <algorithm>
#include <numeric>

#include "amc/config.hpp"
#include "core/log.hpp"
#include "core/uuid_source.hpp"
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

parameters& add_count(parameters& to, effect::count how) {
  const bool keeps = how != effect::count::zero;
  const int term = how == effect::count::one_more ? 1 : how == effect::count::one_less ? -1 : 0;
  return to.add(keeps ? "1" : "0").add(std::to_string(term));
}

void prepare(connection& fresh) {
  fresh.prepare("insert", insert_sql);
  fresh.prepare("update", update_sql);
  fresh.prepare("find", find_sql);
  fresh.prepare("due", due_sql);
  fresh.prepare("drop_key", drop_key_sql);
  fresh.prepare("find_key", find_key_sql);
  fresh.prepare("notify", notify_sql);
}

class postgresql_store : public store {
 public:
  postgresql_store(const postgresql_options& options, std::string sender, std::shared_ptr<unreadable_rows> faults)
      : sender_(std::move(sender)), faults_(std::move(faults)), session_(options, "store", prepare) {}

  std::vector<outcome> apply(std::span<const change> batch) override {
    if (batch.empty()) return {};
    std::vector<connection::call> calls;
    const bool durable = std::any_of(batch.begin(), batch.end(), [](const change& c) { return c.durable; });
    calls.push_back({nullptr, "BEGIN", {}});
    if (!durable) calls.push_back({nullptr, "SET LOCAL synchronous_commit = off", {}});
    std::vector<statement> statements;
    for (const auto& part : parts_of(batch)) render(batch, part, calls, statements);
    calls.push_back({nullptr, "COMMIT", {}});
    const auto results = session_.run(calls, telling_others(batch));
    std::vector<outcome> outcomes(batch.size());
    for (const auto& s : statements) read_outcomes(results[s.place].get(), batch, s.changes, outcomes);
    return outcomes;
  }

  std::vector<found_row> find(std::span<const uuid> ids) override {
    if (ids.empty()) return {};
    std::string list;
    for (const auto& id : ids) list += (list.empty() ? "" : ",") + to_string(id);
    const auto results = session_.run({{"find", nullptr, parameters().add(list)}});
    std::vector<found_row> rows(ids.size());
    for (int at = 0; at < PQntuples(results[0].get()); ++at) {
      const auto id = id_at(results[0].get(), at);
      const auto found = row_at(results[0].get(), at, *faults_);
      for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] == id) rows[i] = found;
    }
    return rows;
  }

  std::vector<due_row> due(std::size_t limit) override {
    const auto results =
        session_.run({{"due", nullptr, parameters().add_if(session_.clock_now()).add(std::to_string(limit))}});
    const auto* r = results[0].get();
    std::vector<due_row> rows;
    for (int at = 0; at < PQntuples(r); ++at) {
      const auto id = parse_uuid(text_at(r, at, 0)).value();
      if (faults_->contains(id)) continue;
      const auto unanswered = static_cast<int>(number_at(r, at, 5));
      rows.push_back({.id = id,
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

  void make_all_due() override {
    session_.run({{nullptr, make_all_due_sql, parameters().add_if(session_.clock_now())}});
  }

  purged purge(const purge_request& what) override {
    const auto since = now();
    parameters p;
    // Ids begin with the time of their making: what is younger than both ages has not been terminal for so long.
    p.add(to_string(what.after)).add(to_string(id_at_time(since - std::min(what.kept, what.dead_kept))));
    p.add(std::to_string(what.limit));
    p.add_if(std::optional(since - what.kept)).add_if(std::optional(since - what.dead_kept));
    const auto results = session_.run({{nullptr, purge_sql, std::move(p)}});
    const auto* r = results[0].get();
    purged done{static_cast<std::size_t>(number_at(r, 0, 0)), {}};
    if (number_at(r, 0, 1) == static_cast<std::int64_t>(what.limit)) done.next = parse_uuid(text_at(r, 0, 2));
    return done;
  }

  void try_writing() override {
    session_.run({{nullptr, "BEGIN", {}},
                  {nullptr, try_insert_sql, {}},
                  {nullptr, try_update_sql, {}},
                  {nullptr, try_delete_sql, {}},
                  {nullptr, "COMMIT", {}}});
  }

  timestamp now() override {
    const auto results = session_.run({{nullptr, now_sql, parameters().add_if(session_.clock_now())}});
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
    std::vector<parameters> rows;
    for (const auto i : part) rows.push_back(first.insert ? insert_parameters(batch[i]) : update_parameters(batch[i]));
    auto arguments = parameters().add_if(session_.clock_now());
    arguments.add_columns(rows);
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
    calls.push_back({"find_key", nullptr, parameters().add(once->key).add_if(session_.clock_now())});
  }

  static parameters insert_parameters(const change& what) {
    const auto& then = what.then;
    parameters p;
    p.add(to_string(what.id));
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

  static parameters update_parameters(const change& what) {
    const auto& when = what.when;
    const auto& then = what.then;
    parameters p;
    p.add(to_string(what.id));
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

  /// Of changes in the order of their ids; what is known already stays.
  void read_outcomes(const PGresult* r, std::span<const change> batch, const places& changes,
                     std::vector<outcome>& outcomes) const {
    for (int at = 0; at < PQntuples(r); ++at) {
      const auto id = id_at(r, at);
      auto now = row_at(r, at, *faults_);
      // The one that has the key of the only change has another id.
      const auto found = std::lower_bound(changes.begin(), changes.end(), id,
                                          [&](std::size_t place, const uuid& wanted) { return batch[place].id < wanted; });
      auto& became = outcomes[changes.size() == 1 ? changes.front() : *found];
      if (became.now || became.unreadable) continue;
      became.at = time_at(r, at, 1);
      became.applied = !now.unreadable && *PQgetvalue(r, at, 0) == 't';
      became.now = std::move(now.now);
      became.unreadable = now.unreadable;
    }
  }

  std::string sender_;
  std::shared_ptr<unreadable_rows> faults_;
  session session_;
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
  const auto faults = std::make_shared<unreadable_rows>();
  opened_store opened;
  for (std::size_t i = 0; i < options.connections; ++i)
    opened.drivers.push_back(std::make_unique<postgresql_store>(options, sender, faults));
  opened.reader = make_reader(options, faults);
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

}  // namespace amc::message_store
