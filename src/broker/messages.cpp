#include "broker/messages.hpp"

#include "core/log.hpp"

namespace amc::broker {
namespace {

/// Several ring one queue, each by the depth that it has asked for some milliseconds ago: what one of them adds before
/// it asks again is about the room there is, or the maximum, divided by this.
constexpr std::size_t shares = 16;

error unroutable() {
  return {errc::unroutable, "I don't know which queue this message belongs to."};
}

/// What a refused change means to its caller: an error, or nothing left to do.
result<row> settled(const change& what, const outcome& became) {
  if (became.applied) return became.now;
  if (auto refused = life_cycle::refusal(what, became)) return *std::move(refused);
  return became.now;
}

}  // namespace

messages::messages(const environment& env, std::shared_ptr<message_store::async_store> store,
                   std::shared_ptr<queue_system::publisher> publish, std::shared_ptr<const router> routes,
                   uuid_source new_id, messages_options options)
    : env_(env),
      store_(std::move(store)),
      publisher_(std::move(publish)),
      routes_(std::move(routes)),
      new_id_(std::move(new_id)),
      options_(options),
      numbers_(*env.metrics),
      sweep_clock_(env),
      purge_clock_(env),
      tasks_(env.executor) {
  for (const auto& queue : routes_->queues()) queues_[queue];
}

void messages::run(bool engine_is_empty) {
  tasks_.spawn(sweeper_loop(engine_is_empty));
  tasks_.spawn(purger_loop());
}

task<void> messages::stop() {
  stopping_ = true;
  sweep_clock_.poke();
  purge_clock_.poke();
  co_await tasks_.drain();
}

task<result<row>> messages::accept(uuid id, std::string text, life_cycle::accept_options options) {
  const auto to = routes_->route(text);
  if (!to) co_return unroutable();
  // What is to be delivered later is the sweeper's.
  auto taken = options.deliver_at ? std::nullopt : take_room(*to);
  const auto what =
      life_cycle::accept(id, std::move(text), *to, taken.has_value(), routes_->rules_of(*to), std::move(options));
  const auto became = co_await store_->apply(env_, what);
  if (became.applied) {
    numbers_.accepted();
    ring_if_waiting(became.now, std::move(taken));
  }
  co_return settled(what, became);
}

task<result<row>> messages::find(uuid id) {
  const auto found = co_await store_->find(env_, id);
  if (found.unreadable) co_return life_cycle::unreadable(id);
  if (!found.now) co_return error{errc::not_found, "Message \"" + to_string(id) + "\" not found."};
  co_return found.now;
}

task<result<row>> messages::answer(uuid id, std::optional<int> revision, std::string text) {
  std::vector<answer_request> one;
  one.push_back({id, revision, std::move(text)});
  auto results = co_await answer(std::move(one));
  co_return std::move(results.front());
}

task<std::vector<result<row>>> messages::answer(std::vector<answer_request> answers) {
  std::vector<change> changes;
  std::vector<std::optional<std::size_t>> change_of;  // of each answer; nothing where no route knows its text
  std::vector<std::optional<place>> taken;            // of each change
  for (auto& a : answers) {
    const auto to = routes_->route(a.text);
    change_of.push_back(to ? std::optional(changes.size()) : std::nullopt);
    if (!to) continue;
    taken.push_back(take_room(*to));
    changes.push_back(
        life_cycle::answer(a.id, a.revision, std::move(a.text), *to, taken.back().has_value(), routes_->rules_of(*to)));
  }
  const auto outcomes = co_await store_->apply(env_, changes);
  // First rings what is stored: the store may go away while the others are looked up.
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (outcomes[i].applied) ring_if_waiting(outcomes[i].now, std::move(taken[i]));
  std::vector<result<row>> results;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (const auto at = change_of[i])
      results.push_back(settled(changes[*at], outcomes[*at]));
    else
      results.push_back(co_await refuse_unroutable(std::move(answers[i])));
    if (!results.back()) numbers_.answer_refused(results.back().error().code);
  }
  co_return results;
}

/// A row that would refuse any answer says so first: a text that no route knows is the last of the reasons.
task<result<row>> messages::refuse_unroutable(answer_request answer) {
  const auto what =
      life_cycle::answer(answer.id, answer.revision, std::move(answer.text), life_cycle::to_done{}, false, {});
  const auto current = co_await store_->find(env_, answer.id);  // not inside the braces: see CONTRIBUTING.md on g++ 12
  const outcome asked{false, current.now, {}, current.unreadable};
  co_return !asked.now || !admits(what.when, *asked.now, asked.at) ? settled(what, asked) : unroutable();
}

task<std::vector<result<granted>>> messages::claim(std::vector<claim_request> requests) {
  std::vector<change> changes;
  changes.reserve(requests.size());
  for (const auto& r : requests) changes.push_back(life_cycle::claim(r.ready, r.alone));
  const auto outcomes = co_await store_->apply(env_, changes);
  std::vector<result<granted>> results;
  results.reserve(outcomes.size());
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].applied)
      results.emplace_back(granted{outcomes[i].now->claim, outcomes[i].now->text, outcomes[i].now->lease});
    else
      results.emplace_back(life_cycle::refusal(changes[i], outcomes[i]).value());
    if (!results.back()) numbers_.claim_refused(results.back().error().code);
  }
  co_return results;
}

task<std::vector<result<milliseconds>>> messages::extend(std::vector<claimed> claims) {
  std::vector<change> changes;
  changes.reserve(claims.size());
  for (const auto& c : claims) changes.push_back(life_cycle::extend(c.ready, c.claim));
  const auto outcomes = co_await store_->apply(env_, changes);
  std::vector<result<milliseconds>> results;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].applied)
      results.emplace_back(outcomes[i].now->lease);
    else
      results.emplace_back(life_cycle::refusal(changes[i], outcomes[i]).value());
  }
  co_return results;
}

task<std::vector<result<row>>> messages::release(std::vector<claimed> claims) {
  std::vector<change> changes;
  changes.reserve(claims.size());
  for (const auto& c : claims) changes.push_back(life_cycle::release(c.ready, c.claim));
  const auto outcomes = co_await store_->apply(env_, changes);
  std::vector<result<row>> results;
  for (std::size_t i = 0; i < outcomes.size(); ++i) results.push_back(settled(changes[i], outcomes[i]));
  co_return results;
}

task<std::vector<result<row>>> messages::fail(std::vector<failed_claim> failures) {
  std::vector<uuid> ids;
  for (const auto& f : failures) ids.push_back(f.what.ready.id);
  const auto rows = co_await store_->find(env_, std::move(ids));
  std::vector<change> changes;
  for (std::size_t i = 0; i < failures.size(); ++i) {
    message read = rows[i] ? *rows[i] : message{.id = failures[i].what.ready.id};
    read.revision = failures[i].what.ready.revision;
    changes.push_back(
        life_cycle::fail(read, failures[i].what.claim, std::move(failures[i].reason), routes_->of(read.queue).rules));
  }
  const auto outcomes = co_await store_->apply(env_, changes);
  std::vector<result<row>> results;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    results.push_back(settled(changes[i], outcomes[i]));
    if (outcomes[i].applied) note_end(outcomes[i].now);
  }
  co_return results;
}

task<result<row>> messages::cancel(uuid id) {
  const auto what = life_cycle::cancel(id);
  const auto became = co_await store_->apply(env_, what);
  if (became.applied) note_end(became.now);
  co_return settled(what, became);
}

task<result<row>> messages::retry(uuid id) {
  auto found = co_await find(id);
  if (!found || (*found)->status == status::pending) co_return found;
  const auto state = (*found)->status;
  if (state != status::dead && state != status::cancelled)
    co_return error{errc::terminal, std::string("The message is ") + to_string(state) + "."};
  const auto what = life_cycle::retry(**found);
  const auto became = co_await store_->apply(env_, what);
  if (became.applied) look_now();
  co_return settled(what, became);
}

task<std::vector<messages::queue_state>> messages::queues() {
  std::map<std::string, queue_state> all;
  for (const auto& queue : routes_->queues()) all[queue].counts.queue = queue;
  const auto counted = co_await store_->counts(env_);
  for (const auto& counts : counted) all[counts.queue].counts = counts;
  std::vector<std::string> names;
  for (const auto& [name, state] : all) names.push_back(name);
  std::string failed;
  std::vector<std::size_t> depths;
  try {
    depths = co_await publisher_->depths(env_, names);
  } catch (const unavailable& why) {
    failed = why.what();
  }
  note_engine(failed.empty(), failed);
  std::vector<queue_state> listed;
  for (auto& [name, state] : all) {
    if (listed.size() < depths.size()) state.depth = depths[listed.size()];
    listed.push_back(std::move(state));
  }
  co_return listed;
}

// ---- relay: rings after commit ----

/// A place if the relay may ring it; it is taken before the change is stored, so that a batch does not ring more than
/// there is room for. A place that was taken for nothing is free again when the depth is asked next.
std::optional<messages::place> messages::take_room(const life_cycle::destination& to) {
  const auto* queue = std::get_if<life_cycle::to_queue>(&to);
  if (!queue || !engine_reachable_) return {};
  auto& state = queues_[queue->name];
  if (state.backlog) return {};
  if (state.depth >= routes_->of(queue->name).depth_max) {
    state.backlog = true;  // from now on the sweeper feeds this queue, oldest first
    look_now();
    return {};
  }
  const bool was_filling = is_filling(queue->name, state);
  place taken(state);
  if (!was_filling && is_filling(queue->name, state)) sweep_clock_.poke();
  return taken;
}

void messages::ring_if_waiting(const row& now, std::optional<place> taken) {
  const log::about subject{now->id, now->revision};
  if (now->status != status::pending) {
    log::debug("broker", std::string("stored as ") + to_string(now->status), subject);
    note_end(now);
    return;
  }
  log::debug("broker", "stored, waits in " + now->queue, subject);
  if (taken) ring(now, *std::move(taken), "relay");
}

/// Nothing while it is pending.
void messages::note_end(const row& now) {
  if (now->status == status::pending) return;
  numbers_.ended(*now);
  const log::about subject{now->id, now->revision};
  if (now->status == status::dead)
    log::warning("broker", "dead: " + (now->attempts.empty() ? std::string() : now->attempts.back().error), subject);
  if (now->status == status::expired) log::info("sweeper", "expired", subject);
}

/// What is rung in one turn of the loop is published together.
void messages::ring(const row& now, place taken, const char* by) {
  numbers_.rung(now->queue, by);
  const bool under_way = !to_ring_.events.empty();
  to_ring_.events.push_back({now->queue, {now->id, now->revision, now->traceparent}});
  to_ring_.places.push_back(std::move(taken));
  if (!under_way) tasks_.spawn(publish());
}

task<void> messages::publish() {
  co_await boost::asio::post(env_.executor, boost::asio::use_awaitable);
  auto together = std::exchange(to_ring_, {});
  std::string failed;
  try {
    co_await publisher_->ring(env_, std::move(together.events));
  } catch (const unavailable& why) {
    // The rows stay due: the sweeper rings them when the engine is back.
    failed = why.what();
  }
  note_engine(failed.empty(), failed);
}

void messages::note_engine(bool reachable, const std::string& why) {
  if (reachable == std::exchange(engine_reachable_, reachable)) return;
  if (reachable)
    log::info("broker", "the queue engine is reachable again");
  else
    log::warning("broker", "the queue engine is away, messages wait in the store: " + why);
}

// ---- sweeper: rings what is due ----

task<void> messages::sweeper_loop(bool engine_is_empty) {
  while (!stopping_) {
    try {
      if (engine_is_empty) co_await store_->make_all_due(env_);
      engine_is_empty = false;
      co_await sweep();
    } catch (const unavailable& failed) {
      log::debug("sweeper", std::string("cannot sweep, will try again: ") + failed.what());
    }
    constexpr milliseconds busy_interval{20};
    if (!stopping_) co_await sweep_clock_.sleep(feeding() ? busy_interval : options_.sweep_interval);
  }
}

task<void> messages::sweep() {
  if (env_.timers->now() < next_look_) {
    // While services are away and their queues are full, the rows that wait for room need no look each time.
    co_await ask_depths();
    if (!engine_reachable_ || !feeding_has_room()) co_return;
  }
  next_look_ = env_.timers->now() + options_.sweep_interval;
  const auto rows = co_await store_->due(env_, options_.sweep_max);
  for (const auto& r : rows) queues_[r.queue];  // also queues that no route names any more
  co_await end_what_is_over(rows);
  co_await ask_depths();
  co_await ring_again(rows);
}

/// What has expired, and what has no claims left.
task<void> messages::end_what_is_over(const std::vector<due_row>& rows) {
  std::vector<change> changes;
  for (const auto& r : rows) {
    if (r.expired) changes.push_back(life_cycle::expire(r));
    if (!r.expired && r.used_up) changes.push_back(life_cycle::bury(r));
  }
  if (changes.empty()) co_return;
  const auto outcomes = co_await store_->apply(env_, std::move(changes));
  for (const auto& became : outcomes)
    if (became.applied) note_end(became.now);
}

task<void> messages::ring_again(const std::vector<due_row>& rows) {
  if (!engine_reachable_) co_return;
  auto changes = choose(rows);
  if (changes.empty()) co_return;
  const auto outcomes = co_await store_->apply(env_, std::move(changes));
  for (const auto& became : outcomes)
    if (became.applied) {
      const auto& m = *became.now;
      log::debug("sweeper", "rung again in " + m.queue, log::about{m.id, m.revision});
      ring(became.now, place(queues_[m.queue]), "sweeper");
    }
}

task<void> messages::ask_depths() {
  std::vector<std::string> names;
  for (const auto& [name, state] : queues_) names.push_back(name);
  std::string failed;
  try {
    const auto depths = co_await publisher_->depths(env_, names);
    for (std::size_t i = 0; i < names.size(); ++i) {
      auto& state = queues_[names[i]];
      state.depth = depths[i] + state.on_the_way;
    }
  } catch (const unavailable& why) {
    failed = why.what();
  }
  note_engine(failed.empty(), failed);
}

/// A share of the rows that there is room for, oldest first; remembers which queues have more.
std::vector<change> messages::choose(const std::vector<due_row>& rows) {
  std::map<std::string_view, std::size_t> seen;
  std::vector<change> changes;
  for (auto& [name, state] : queues_) state.backlog = false;
  for (const auto& r : rows) {
    if (r.expired || r.used_up) continue;
    auto& state = queues_[r.queue];
    const auto& treated = routes_->of(r.queue);
    const auto chosen = ++seen[r.queue];
    // A full look may have left rows unseen.
    if (chosen == options_.sweep_max) state.backlog = true;
    if (state.depth + shares * chosen >= treated.depth_max + shares)
      state.backlog = true;
    else
      changes.push_back(life_cycle::ring(r, treated.rules));
  }
  return changes;
}

void messages::look_now() {
  next_look_ = {};
  sweep_clock_.poke();
}

bool messages::feeding_has_room() const {
  return std::any_of(queues_.begin(), queues_.end(), [&](const auto& q) {
    return q.second.backlog && q.second.depth < routes_->of(q.first).depth_max;
  });
}

/// So deep that what others have added since it was asked begins to matter.
bool messages::is_filling(const std::string& queue, const known_queue& state) const {
  return shares * state.depth > routes_->of(queue).depth_max;
}

/// Whether a queue needs a look sooner than usual.
bool messages::feeding() const {
  return engine_reachable_ && std::any_of(queues_.begin(), queues_.end(), [&](const auto& q) {
           return q.second.backlog || is_filling(q.first, q.second);
         });
}

// ---- purger: deletes what was finished long ago ----

task<void> messages::purger_loop() {
  auto next = options_.purge;
  while (!stopping_) {
    purged done;
    try {
      done = co_await store_->purge(env_, next);
    } catch (const unavailable&) {
      // Later is early enough.
    }
    next.after = done.next.value_or(uuid{});
    // While it finds much it goes on; every batch waits its turn among the other work of the store.
    if (!stopping_ && (!done.next || done.count < next.limit / 2)) co_await purge_clock_.sleep(options_.purge_interval);
  }
}

}  // namespace amc::broker
