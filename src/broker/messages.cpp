#include "broker/messages.hpp"

#include "core/log.hpp"

namespace amc::broker {
namespace {

using ringing = queue_system::publisher::ringing;

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

messages::messages(const environment& env, std::shared_ptr<async_store> store,
                   std::shared_ptr<queue_system::publisher> publish, std::shared_ptr<const router> routes,
                   uuid_source new_id, messages_options options)
    : env_(env),
      store_(std::move(store)),
      publisher_(std::move(publish)),
      routes_(std::move(routes)),
      new_id_(std::move(new_id)),
      options_(options),
      sweep_clock_(env),
      tasks_(env.executor) {
  for (const auto& queue : routes_->queues()) queues_[queue];
}

void messages::run(bool engine_is_empty) {
  tasks_.spawn(sweeper_loop(engine_is_empty));
}

task<void> messages::stop() {
  stopping_ = true;
  sweep_clock_.poke();
  co_await tasks_.drain();
}

task<result<row>> messages::accept(uuid id, std::string text) {
  const auto to = routes_->route(text);
  if (!to) co_return unroutable();
  const bool rings_now = has_room(*to);
  const auto what = life_cycle::accept(id, std::move(text), *to, rings_now, options_.times);
  const auto became = co_await store_->apply(env_, what);
  if (became.applied) ring_if_waiting(became.now, rings_now);
  co_return settled(what, became);
}

task<result<row>> messages::find(uuid id) {
  auto found = co_await store_->find(env_, id);
  if (!found) co_return error{errc::not_found, "Message \"" + to_string(id) + "\" not found."};
  co_return found;
}

task<result<row>> messages::answer(uuid id, std::optional<int> revision, std::string text) {
  const auto to = routes_->route(text);
  if (!to) co_return co_await refuse_unroutable(id, revision, std::move(text));
  const bool rings_now = has_room(*to);
  const auto what = life_cycle::answer(id, revision, std::move(text), *to, rings_now, options_.times);
  const auto became = co_await store_->apply(env_, what);
  if (became.applied) ring_if_waiting(became.now, rings_now);
  co_return settled(what, became);
}

/// A row that would refuse any answer says so first: a text that no route knows is the last of the reasons.
task<result<row>> messages::refuse_unroutable(uuid id, std::optional<int> revision, std::string text) {
  const auto what = life_cycle::answer(id, revision, std::move(text), life_cycle::to_done{}, false, options_.times);
  row current = co_await store_->find(env_, id);  // not inside the braces: see CONTRIBUTING.md on g++ 12
  const outcome asked{false, std::move(current), {}};
  if (!asked.now || !admits(what.when, *asked.now, asked.at)) co_return settled(what, asked);
  co_return unroutable();
}

task<std::vector<result<granted>>> messages::claim(std::vector<claim_request> requests) {
  std::vector<change> changes;
  changes.reserve(requests.size());
  for (const auto& r : requests) changes.push_back(life_cycle::claim(r.ready, r.alone, options_.times));
  const auto outcomes = co_await store_->apply(env_, changes);
  std::vector<result<granted>> results;
  results.reserve(outcomes.size());
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].applied)
      results.emplace_back(granted{outcomes[i].now->claim, outcomes[i].now->text, options_.times.lease});
    else
      results.emplace_back(life_cycle::refusal(changes[i], outcomes[i]).value());
  }
  co_return results;
}

task<std::vector<result<milliseconds>>> messages::extend(std::vector<claimed> claims) {
  std::vector<change> changes;
  changes.reserve(claims.size());
  for (const auto& c : claims) changes.push_back(life_cycle::extend(c.ready, c.claim, options_.times));
  const auto outcomes = co_await store_->apply(env_, changes);
  std::vector<result<milliseconds>> results;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].applied)
      results.emplace_back(options_.times.lease);
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

// ---- relay: rings after commit ----

bool messages::has_room(const life_cycle::destination& to) {
  const auto* queue = std::get_if<life_cycle::to_queue>(&to);
  if (!queue || !engine_reachable_) return false;
  auto& state = queues_[queue->name];
  if (!state.backlog && state.depth >= options_.queue_depth_max) {
    state.backlog = true;  // from now on the sweeper feeds this queue, oldest first
    sweep_clock_.poke();
  }
  return !state.backlog;
}

void messages::ring_if_waiting(const row& now, bool rings_now) {
  const log::about subject{now->id, now->revision};
  if (now->status != status::pending) {
    log::debug("broker", std::string("stored as ") + to_string(now->status), subject);
    return;
  }
  log::debug("broker", "stored, waits in " + now->queue, subject);
  if (rings_now) ring({{now->queue, {now->id, now->revision}}});
}

void messages::ring(std::vector<ringing> events) {
  if (events.empty()) return;
  for (const auto& e : events) ++queues_[e.queue].depth;
  tasks_.spawn(publish(std::move(events)));
}

task<void> messages::publish(std::vector<ringing> events) {
  std::string failed;
  try {
    co_await publisher_->ring(env_, std::move(events));
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
  const auto rows = co_await store_->due(env_, options_.sweep_max);
  co_await ask_depths(rows);
  if (!engine_reachable_) co_return;
  auto changes = choose(rows);
  if (changes.empty()) co_return;
  const auto outcomes = co_await store_->apply(env_, std::move(changes));
  std::vector<ringing> events;
  for (const auto& became : outcomes)
    if (became.applied) {
      log::debug("sweeper", "rung again in " + became.now->queue, log::about{became.now->id, became.now->revision});
      events.push_back({became.now->queue, {became.now->id, became.now->revision}});
    }
  ring(std::move(events));
}

task<void> messages::ask_depths(const std::vector<due_row>& rows) {
  for (const auto& r : rows) queues_[r.queue];  // also queues that no route names any more
  std::vector<std::string> names;
  for (const auto& [name, state] : queues_) names.push_back(name);
  std::string failed;
  try {
    const auto depths = co_await publisher_->depths(env_, names);
    for (std::size_t i = 0; i < names.size(); ++i) queues_[names[i]].depth = depths[i];
  } catch (const unavailable& why) {
    failed = why.what();
  }
  note_engine(failed.empty(), failed);
}

/// The rows that there is room for, oldest first; remembers which queues have more.
std::vector<change> messages::choose(const std::vector<due_row>& rows) {
  std::map<std::string_view, std::size_t> seen;
  std::vector<change> changes;
  for (auto& [name, state] : queues_) state.backlog = false;
  for (const auto& r : rows) {
    auto& state = queues_[r.queue];
    const auto chosen = ++seen[r.queue];
    // A full look may have left rows unseen.
    if (chosen == options_.sweep_max) state.backlog = true;
    if (state.depth + chosen > options_.queue_depth_max)
      state.backlog = true;
    else
      changes.push_back(life_cycle::ring(r, options_.times));
  }
  return changes;
}

/// Whether a queue needs a look sooner than usual: rows wait for room, or its depth is only known to be below a
/// maximum that may have been reached.
bool messages::feeding() const {
  return engine_reachable_ && std::any_of(queues_.begin(), queues_.end(), [&](const auto& q) {
           return q.second.backlog || q.second.depth > options_.queue_depth_max / 2;
         });
}

}  // namespace amc::broker
