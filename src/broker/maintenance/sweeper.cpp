#include "broker/maintenance/sweeper.hpp"

#include "broker/endings.hpp"
#include "core/log.hpp"

namespace amc::broker {

sweeper::sweeper(const environment& env, message_store::async_store store, std::shared_ptr<ringing> rings,
                 std::shared_ptr<messages_metrics> numbers, std::shared_ptr<activity> seen,
                 std::shared_ptr<pauses> paused, sweeper_options options)
    : env_(env),
      store_(std::move(store)),
      rings_(std::move(rings)),
      numbers_(std::move(numbers)),
      seen_(std::move(seen)),
      paused_(std::move(paused)),
      options_(options),
      clock_(env),
      tasks_(env.executor) {}

void sweeper::run(bool engine_is_empty) {
  rings_->when_wanted([this](ringing::errand what) {
    if (what == ringing::errand::look) next_look_ = {};
    clock_.poke();
  });
  tasks_.spawn(loop(engine_is_empty));
}

task<void> sweeper::stop() {
  stopping_ = true;
  rings_->when_wanted(nullptr);
  clock_.poke();
  co_await tasks_.drain();
}

task<void> sweeper::loop(bool engine_is_empty) {
  while (!stopping_) {
    auto pause = options_.interval;
    try {
      if (engine_is_empty) co_await store_.make_all_due();
      engine_is_empty = false;
      co_await sweep();
      pause = until_next();
    } catch (const unavailable& failed) {
      log::debug("sweeper", std::string("cannot sweep, will try again: ") + failed.what());
    }
    if (!stopping_) co_await clock_.sleep(pause);
  }
}

/// Asking for depths in between does not put off the next look.
milliseconds sweeper::until_next() const {
  constexpr milliseconds busy_interval{20};
  if (rings_->feeding()) return busy_interval;
  const auto left = std::chrono::ceil<milliseconds>(next_look_ - env_.timers->now());
  return std::clamp(left, std::min(busy_interval, options_.interval), options_.interval);
}

task<void> sweeper::sweep() {
  if (env_.timers->now() < next_look_) {
    // While services are away and their queues are full, the rows that wait for room need no look each time.
    co_await rings_->ask_depths();
    if (!rings_->engine_reachable() || !rings_->feeding_has_room()) co_return;
  }
  next_look_ = env_.timers->now() + options_.interval;
  co_await paused_->refresh();
  const auto look_max = rows_of_each_queue(options_.look_max, rings_->known_queues());
  const auto rows = co_await store_.due(look_max);
  co_await end_what_is_over(rows);
  co_await rings_->ask_depths(rows);
  co_await ring_again(rows, look_max);
}

/// What has expired, and what has no claims left.
task<void> sweeper::end_what_is_over(const std::vector<due_row>& rows) {
  std::vector<change> changes;
  for (const auto& r : rows) {
    if (r.expired) changes.push_back(life_cycle::expire(r));
    if (!r.expired && r.used_up) changes.push_back(life_cycle::bury(r));
  }
  if (changes.empty()) co_return;
  const auto outcomes = co_await store_.apply(std::move(changes));
  for (const auto& became : outcomes)
    if (became.applied) note_end(*numbers_, *became.now);
}

task<void> sweeper::ring_again(const std::vector<due_row>& rows, std::size_t look_max) {
  if (!rings_->engine_reachable()) co_return;
  auto changes = rings_->choose(rows, look_max);
  if (changes.empty()) co_return;
  const auto outcomes = co_await store_.apply(changes);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (!outcomes[i].applied) continue;
    const auto& now = outcomes[i].now;
    log::debug("sweeper", "rung again in " + now->queue, log::about{now->id, now->revision});
    if (changes[i].when.held.value_or(false)) seen_->opened(*now, changes[i].when.due.value_or(now->updated_at));
    rings_->ring_due(now);
  }
}

}  // namespace amc::broker
