#include "broker/waiters.hpp"

namespace amc::broker {

waiters::waiters(const environment& env, message_store::async_store& store, std::size_t max)
    : env_(env), store_(store), max_(max), tasks_(env.executor) {
  observing_ = store.observe(env.executor, [this](const std::vector<row>& changed) { notice(changed); });
  observing_elsewhere_ = store.observe_elsewhere(env, [this](const change_feed::news& news) { hear(news); });
}

std::unique_ptr<waiters::watch> waiters::watch_for(const uuid& id) {
  if (watches_.size() >= max_)
    throw unavailable(unavailable::reason::overloaded, std::to_string(max_) + " requests are parked already");
  return std::make_unique<watch>(*this, id);
}

void waiters::send_home() {
  closing_ = true;
  for (auto& [id, w] : watches_)
    if (w->woken_) w->woken_->set(true);
}

task<void> waiters::stop() {
  observing_elsewhere_.reset();
  co_await tasks_.drain();
}

void waiters::hear(const change_feed::news& elsewhere) {
  if (elsewhere.everything)
    for (const auto& [id, w] : watches_) stale_.insert(id);
  for (const auto& id : elsewhere.ids)
    if (watches_.contains(id)) stale_.insert(id);
  if (!stale_.empty() && !std::exchange(reading_, true)) tasks_.spawn(read_stale());
}

task<void> waiters::read_stale() {
  while (!stale_.empty()) {
    std::vector<uuid> ids(stale_.begin(), stale_.end());
    stale_.clear();
    try {
      auto rows = co_await store_.find(env_, std::move(ids));
      std::erase(rows, nullptr);
      notice(rows);
    } catch (const unavailable&) {
      break;  // the feed tells `everything` now and then
    }
  }
  reading_ = false;
}

void waiters::notice(const std::vector<row>& changed) {
  for (const auto& now : changed) {
    const auto [begin, end] = watches_.equal_range(now->id);
    for (auto it = begin; it != end; ++it) it->second->saw(now);
  }
}

waiters::watch::watch(waiters& owner, const uuid& id) : owner_(owner), id_(id) {
  owner_.watches_.emplace(id, this);
}

waiters::watch::~watch() {
  const auto [begin, end] = owner_.watches_.equal_range(id_);
  for (auto it = begin; it != end; ++it)
    if (it->second == this) {
      owner_.watches_.erase(it);
      return;
    }
}

void waiters::watch::saw(row now) {
  // A revision only grows and a terminal status is final, except for a retry, which the store tells in order.
  if (latest_ && now->revision < latest_->revision) return;
  latest_ = std::move(now);
  if (woken_) woken_->set(true);
}

task<row> waiters::watch::until(std::function<bool(const message&)> enough, milliseconds longest,
                                std::shared_ptr<http::peer> asker) {
  const auto deadline = owner_.env_.timers->now() + longest;
  while (!owner_.closing_ && !(asker && asker->gone()) && !(latest_ && enough(*latest_))) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - owner_.env_.timers->now());
    if (left <= milliseconds(0)) break;
    woken_ = std::make_shared<one_shot<bool>>(owner_.env_.executor);
    if (asker) asker->wakes(woken_);
    const auto timer = owner_.env_.timers->start(left, [woken = woken_] { woken->set(false); });
    co_await woken_->wait();
    woken_.reset();
  }
  co_return latest_;
}

}  // namespace amc::broker
