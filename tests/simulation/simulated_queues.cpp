#include "tests/simulation/simulated_queues.hpp"

#include <algorithm>

namespace amc::simulation {

class engine::publisher : public queue_publisher {
 public:
  publisher(engine& to, process& by) : to_(to), by_(by) {}
  void publish(std::span<const outgoing> batch) override { to_.publish(by_, batch); }
  std::size_t depth(const std::string& queue) override {
    to_.reach(by_);
    ++to_.depths_asked_;
    return to_.depth(queue);
  }

 private:
  engine& to_;
  process& by_;
};

class engine::subscriber : public queue_subscriber {
 public:
  subscriber(engine& to, std::shared_ptr<subscription> link) : to_(to), link_(std::move(link)) {}
  ~subscriber() override {
    to_.cut(*link_);
    std::erase(to_.links_, link_);
  }

  std::vector<incoming> receive(std::size_t max, milliseconds longest) override {
    reach();
    return to_.receive(*link_, max, longest);
  }
  void acknowledge(std::span<const std::uint64_t> tags) override {
    reach();
    for (const auto tag : tags) to_.acknowledge(*link_, tag);
  }
  void give_back(std::span<const std::uint64_t> tags) override {
    reach();
    for (const auto tag : tags)
      if (!to_.kind_.gives_back || to_.kind_.by_offsets)
        to_.acknowledge(*link_, tag);
      else if (const auto settled = link_->unsettled.extract(tag))
        to_.put(link_->queue, {settled.mapped(), {}, true});
  }

 private:
  void reach() {
    to_.reach(*link_->by);
    if (link_->lost) throw unavailable(unavailable::reason::away, "the connection to the queue engine was lost");
  }

  engine& to_;
  std::shared_ptr<subscription> link_;
};

class engine::connected : public platform {
 public:
  connected(engine& to, process& by) : to_(to), by_(by) {}
  amc::capabilities capabilities() const override {
    const bool together = by_.in().plan().together;
    const auto& kind = to_.kind_;
    return {.in_process = together,
            .empty_at_start = together,
            .gives_back = kind.gives_back && !kind.by_offsets,
            .keeps_order = kind.keeps_order};
  }
  void check(std::span<const std::string>, std::span<const std::string>) override { to_.reach(by_); }
  std::unique_ptr<queue_publisher> make_publisher() override { return std::make_unique<publisher>(to_, by_); }
  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) override {
    to_.reach(by_);
    auto link = std::make_shared<subscription>(subscription{&by_, queue, prefetch});
    to_.links_.push_back(link);
    return std::make_unique<subscriber>(to_, std::move(link));
  }

 private:
  engine& to_;
  process& by_;
};

std::unique_ptr<platform> engine::connect(process& by) {
  return std::make_unique<connected>(*this, by);
}

void engine::reach(const process& by) const {
  if (!by.alive() || world_.now() < away_until_)
    throw unavailable(unavailable::reason::away, "the queue engine cannot be reached");
}

void engine::publish(process& by, std::span<const outgoing> batch) {
  reach(by);
  const bool unconfirmed = world_.strikes(fault::queue_unconfirmed, 0.3);
  const auto arrive = unconfirmed ? world_.random(fault::queue_unconfirmed).below(batch.size() + 1) : batch.size();
  for (const auto& out : batch.first(arrive)) {
    if (seen) seen(by, out);
    world_.note(by.name(), "publishes", out.bytes.size());
    if (world_.strikes(fault::queue_lost, 0.5)) continue;
    put(out.queue, {out.bytes, {}, false});
    if (world_.strikes(fault::queue_doubled, 0.7)) put(out.queue, {out.bytes, {}, true});
  }
  if (world_.strikes(fault::kill, 0.02)) by.doom();
  if (unconfirmed) throw unavailable(unavailable::reason::away, "the queue engine did not confirm");
}

void engine::put(const std::string& queue, event_in_queue what) {
  auto& events = queues_[queue];
  milliseconds delay{};
  if (world_.strikes(fault::queue_delayed, 0.5))
    delay = milliseconds(world_.random(fault::queue_delayed).between(1, 6'000));
  what.ready_at = world_.now() + delay;
  auto place = events.end();
  if (!kind_.keeps_order || world_.strikes(fault::queue_reordered, 0.7))
    place =
        events.begin() + static_cast<std::ptrdiff_t>(world_.random(fault::queue_reordered).below(events.size() + 1));
  events.insert(place, std::move(what));
  wake(queue, delay);
}

void engine::wake(const std::string& queue, milliseconds delay) {
  if (delay > milliseconds(0)) return world_.later(delay, [this, queue] { wake(queue, milliseconds(0)); });
  for (const auto& link : links_)
    if (link->queue == queue)
      if (const auto asleep = link->sleeper.lock()) asleep->wake();
}

std::vector<incoming> engine::receive(subscription& link, std::size_t max, milliseconds longest) {
  auto& events = queues_[link.queue];
  if (seen_depth && !events.empty()) seen_depth(link.queue, depth(link.queue));
  std::vector<incoming> batch;
  max = std::min(max, link.prefetch - std::min(link.prefetch, link.unsettled.size()));
  for (auto it = events.begin(); it != events.end() && batch.size() < max;) {
    if (it->ready_at > world_.now()) {
      ++it;
      continue;
    }
    batch.push_back({++last_tag_, it->bytes});
    link.unsettled.emplace(last_tag_, std::move(it->bytes));
    it = events.erase(it);
  }
  link.sleeper = link.by->current_worker();
  // Longer than it was asked to, which is as if the machine was slow: a wake-up ends it anyway.
  constexpr int factor = 50;
  if (batch.empty() && longest > milliseconds(0)) link.sleeper.lock()->block(factor * longest);
  if (!batch.empty()) world_.note(link.by->name(), "hears", batch.size());
  return batch;
}

void engine::acknowledge(subscription& link, std::uint64_t tag) {
  auto acknowledged = link.unsettled.extract(tag);
  if (!acknowledged) return;
  if (!settled_.contains(tag)) return world_.fail("an event is acknowledged that nobody has done with");
  if (world_.strikes(fault::ack_lost, 0.3)) return put(link.queue, {acknowledged.mapped(), {}, true});
  if (!kind_.by_offsets) return;
  link.acknowledged_above.insert(std::move(acknowledged));
  const auto first = link.unsettled.empty() ? UINT64_MAX : link.unsettled.begin()->first;
  link.acknowledged_above.erase(link.acknowledged_above.begin(), link.acknowledged_above.lower_bound(first));
}

void engine::take_back(subscription& link) {
  auto held = std::exchange(link.unsettled, {});
  held.merge(std::exchange(link.acknowledged_above, {}));
  for (auto& [tag, bytes] : held) put(link.queue, {std::move(bytes), {}, true});
}

void engine::cut(subscription& link) {
  link.lost = true;
  take_back(link);
}

void engine::divide_anew() {
  if (!kind_.by_offsets || links_.empty()) return;
  const auto queue = links_[world_.random(fault::queue_divided).below(links_.size())]->queue;
  for (const auto& link : links_)
    if (link->queue == queue) take_back(*link);
}

void engine::cut_somebody() {
  if (links_.empty()) return;
  const auto& link = links_[world_.random(fault::queue_cut).below(links_.size())];
  world_.note(link->by->name(), "loses its connection to the queue engine");
  cut(*link);
}

void engine::forget(const process& gone) {
  for (const auto& link : links_)
    if (link->by == &gone) cut(*link);
}

void engine::go_away(milliseconds longest) {
  away_until_ = world_.now() + longest;
  world_.note_trouble(fault::queue_away, away_until_);
  for (const auto& link : links_) cut(*link);
}

void engine::wipe() {
  queues_.clear();
  for (const auto& link : links_) {
    link->unsettled.clear();
    link->acknowledged_above.clear();
    link->lost = true;
  }
}

std::size_t engine::depth(const std::string& queue) const {
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return 0;
  return static_cast<std::size_t>(
      std::count_if(found->second.begin(), found->second.end(), [](const event_in_queue& e) { return !e.again; }));
}

std::size_t engine::waiting() const {
  std::size_t all = 0;
  for (const auto& [name, events] : queues_) all += events.size();
  return all;
}

}  // namespace amc::simulation
