#include "tests/simulation/chaos.hpp"

namespace amc::simulation {

void chaos::tick() {
  if (!around_.in.faulty()) return;
  strike_processes();
  strike_network();
  strike_store();
  strike_queues();
  constexpr milliseconds interval{100};
  around_.in.later(interval, [this] { tick(); });
}

milliseconds chaos::some_time(fault kind, std::int64_t least_ms, std::int64_t most_ms) {
  return milliseconds(around_.in.random(kind).between(least_ms, most_ms));
}

void chaos::strike_processes() {
  auto& in = around_.in;
  for (auto* n : nodes_.all) {
    if (in.strikes(fault::kill, 0.02)) n->kill(some_time(fault::kill, 1, 3'000));
    if (in.strikes(fault::stop, 0.02)) n->stop(some_time(fault::stop, 1, 3'000));
    if (in.strikes(fault::pause, 0.02)) n->pause(some_time(fault::pause, 1, 4'000));
    if (n->up() && in.strikes(fault::wall_clock, 0.05))
      n->current()->move_wall_clock(some_time(fault::wall_clock, -100'000, 100'000));
  }
  if (in.strikes(fault::services_away, 0.03)) take_services_away();
}

/// Every service of one queue, for longer than events, leases and ringings last.
void chaos::take_services_away() {
  const char letter = around_.in.random(fault::services_away).chance(0.5) ? 'a' : 'b';
  const auto away = some_time(fault::services_away, 3'000, 15'000);
  for (const auto& n : nodes_.services)
    if (n->name().front() == letter) n->kill(away);
}

void chaos::strike_network() {
  auto& in = around_.in;
  for (auto* clients : {&nodes_.services, &nodes_.requesters})
    for (const auto& client : *clients)
      for (const auto& broker : nodes_.brokers)
        if (in.strikes(fault::network_cut, 0.03))
          around_.net.cut(client->name(), broker->name(), some_time(fault::network_cut, 100, 4'000));
}

void chaos::strike_store() {
  auto& in = around_.in;
  auto& store = around_.store;
  if (in.strikes(fault::store_away, 0.03)) store.go_away(some_time(fault::store_away, 100, 3'000));
  if (in.strikes(fault::store_full, 0.03)) store.fill_up(some_time(fault::store_full, 100, 3'000));
  if (in.strikes(fault::store_clock, 0.05)) store.jump(some_time(fault::store_clock, -5'000, 5'000));
  if (in.strikes(fault::feed_cut, 0.05)) store.cut_feeds(some_time(fault::feed_cut, 100, 3'000));
  if (in.strikes(fault::store_crash, 0.05)) store.crash();
}

void chaos::strike_queues() {
  auto& in = around_.in;
  for (auto* engine : {&around_.queues, &around_.next_queues}) {
    if (engine == &around_.next_queues && !in.plan().moves_at) continue;
    if (in.strikes(fault::queue_away, 0.03)) engine->go_away(some_time(fault::queue_away, 100, 6'000));
    if (in.strikes(fault::queue_wiped, 0.03)) engine->wipe();
    if (in.strikes(fault::queue_cut, 0.2)) engine->cut_somebody();
    if (in.strikes(fault::queue_divided, 0.1)) engine->divide_anew();
  }
}

}  // namespace amc::simulation
