#include "broker/ringing.hpp"

#include <algorithm>

#include "core/log.hpp"

namespace amc::broker {
namespace {

/// Several ring one queue, each by the depth that it has asked for some milliseconds ago: what one of them adds before
/// it asks again is about the room there is, or the maximum, divided by this.
constexpr std::size_t shares = 16;

}  // namespace

ringing::ringing(const environment& env, std::shared_ptr<queue_system::publisher> publish,
                 std::shared_ptr<const router> routes, std::shared_ptr<messages_metrics> numbers,
                 std::shared_ptr<const pauses> paused, bool heard)
    : env_(env),
      publisher_(std::move(publish)),
      routes_(std::move(routes)),
      numbers_(std::move(numbers)),
      paused_(std::move(paused)),
      heard_(heard),
      tasks_(env.executor) {
  for (const auto& queue : routes_->queues()) queues_[queue];
}

std::optional<ringing::place> ringing::take_room(const life_cycle::destination& to) {
  const auto* queue = std::get_if<life_cycle::to_queue>(&to);
  if (!queue || !heard_ || !engine_reachable() || paused_->of(queue->name)) return {};
  auto& state = queues_[queue->name];
  if (state.backlog) return {};
  if (state.depth >= routes_->of(queue->name).depth_max) {
    state.backlog = true;  // from now on the sweeper feeds this queue, oldest first
    want(errand::look);
    return {};
  }
  const bool was_filling = is_filling(queue->name, state);
  place taken(state);
  if (!was_filling && is_filling(queue->name, state)) want(errand::ask_depths);
  return taken;
}

void ringing::ring(const row& now, place taken, const char* by) {
  numbers_->rung(now->queue, by);
  const bool under_way = !to_ring_.events.empty();
  to_ring_.events.push_back({now->queue, {now->id, now->revision, now->traceparent}});
  to_ring_.places.push_back(std::move(taken));
  if (!under_way) tasks_.spawn(publish());
}

void ringing::ring_due(const row& now) {
  ring(now, place(queues_[now->queue]), "sweeper");
}

task<void> ringing::publish() {
  co_await boost::asio::post(env_.executor, boost::asio::use_awaitable);
  auto batch = std::exchange(to_ring_, {});
  std::string failed;
  try {
    co_await publisher_->ring(env_, std::move(batch.events));
  } catch (const unavailable& why) {
    // The rows stay due: the sweeper rings them when the engine is back.
    failed = why.what();
  }
  note_engine(failed.empty(), failed);
}

void ringing::note_engine(bool reachable, const std::string& why) {
  const bool was_reachable = engine_reachable();
  engine_trouble_ = reachable ? std::nullopt : std::optional(why);
  if (reachable == was_reachable) return;
  if (reachable)
    log::info("broker", "the queue engine is reachable again");
  else
    log::warning("broker", "the queue engine is unreachable, messages wait in the store: " + why);
}

task<void> ringing::ask_depths(const std::vector<due_row>& rows) {
  if (!heard_) co_return;
  for (const auto& r : rows) queues_[r.queue];
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

std::vector<change> ringing::choose(const std::vector<due_row>& rows, std::size_t look_max) {
  std::map<std::string_view, std::size_t> seen;
  std::vector<change> changes;
  if (!heard_) return changes;
  for (auto& [name, state] : queues_) state.backlog = false;
  for (const auto& r : rows) {
    if (r.expired || r.used_up || paused_->of(r.queue)) continue;
    auto& state = queues_[r.queue];
    const auto treated = routes_->of(r.queue);
    const auto chosen = ++seen[r.queue];
    if (chosen == look_max) state.backlog = true;
    if (state.depth + shares * chosen >= treated.depth_max + shares)
      state.backlog = true;
    else
      changes.push_back(life_cycle::ring(r, treated.rules));
  }
  return changes;
}

void ringing::resumed(const std::string& queue) {
  if (!heard_) return;
  queues_[queue].backlog = true;
  want(errand::look);
}

bool ringing::feeding_has_room() const {
  return std::any_of(queues_.begin(), queues_.end(), [&](const auto& q) {
    return q.second.backlog && q.second.depth < routes_->of(q.first).depth_max;
  });
}

/// So deep that what others have added since it was asked begins to matter.
bool ringing::is_filling(const std::string& queue, const known_queue& state) const {
  return shares * state.depth > routes_->of(queue).depth_max;
}

bool ringing::feeding() const {
  return engine_reachable() && std::any_of(queues_.begin(), queues_.end(), [&](const auto& q) {
           return q.second.backlog || is_filling(q.first, q.second);
         });
}

}  // namespace amc::broker
