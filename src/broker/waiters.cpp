#include "broker/waiters.hpp"

#include "broker/life_cycle.hpp"

namespace amc::broker {

waiters::waiters(const environment& env, message_store::async_store store, waiters_options options)
    : env_(env), store_(std::move(store)), options_(options), tasks_(env.executor) {
  observing_ = store_.observe([this](const message_store::shared_store::news& changed) { notice(changed); });
  observing_elsewhere_ = store_.observe_elsewhere([this](const change_feed::news& news) { hear(news); });
}

std::unique_ptr<waiters::watch> waiters::watch_for(const uuid& id) {
  if (watches_.size() >= options_.max)
    throw unavailable(unavailable::reason::overloaded,
                      std::to_string(options_.max) + " requests are parked already (broker.http.waiters_max)");
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
    for (const auto& [id, w] : watches_) doubtful_.insert(id);
  for (const auto& id : elsewhere.ids)
    if (watches_.contains(id)) stale_.insert(id);
  read_soon();
}

void waiters::read_soon() {
  if ((!stale_.empty() || !doubtful_.empty()) && !std::exchange(reading_, true)) tasks_.spawn(read_stale());
}

task<void> waiters::read_stale() {
  // Texts are read of what has changed, and of few at once; of the others whether they have changed.
  constexpr std::size_t texts_at_once = 32, rows_at_once = 1'000;
  try {
    while (!stale_.empty() || !doubtful_.empty()) {
      while (!stale_.empty()) co_await read_some(stale_, texts_at_once, true);
      if (!doubtful_.empty()) co_await read_some(doubtful_, rows_at_once, false);
    }
  } catch (const unavailable&) {
    stale_.clear(), doubtful_.clear();  // the feed tells `everything` now and then
  }
  reading_ = false;
}

task<void> waiters::read_some(std::set<uuid>& from, std::size_t max, bool with_text) {
  std::vector<uuid> ids;
  while (!from.empty() && ids.size() < max) ids.push_back(from.extract(from.begin()).value());
  std::vector<row> rows;
  if (with_text)
    rows = co_await store_.find(std::move(ids));
  else
    rows = co_await store_.find_without_text(std::move(ids));
  for (const auto& now : rows)
    if (now) tell(now, with_text);
}

void waiters::notice(const message_store::shared_store::news& changed) {
  for (const auto& now : changed.rows) tell(now, true);
  for (const auto& id : changed.ids)
    if (watches_.contains(id)) stale_.insert(id);
  read_soon();
}

void waiters::tell(const row& now, bool with_text) {
  const auto [begin, end] = watches_.equal_range(now->id);
  for (auto it = begin; it != end; ++it) it->second->keep(now, with_text);
}

waiters::watch::watch(waiters& owner, const uuid& id) : owner_(owner), id_(id) {
  owner_.watches_.emplace(id, this);
}

waiters::watch::~watch() {
  if (has_text_) owner_.kept_bytes_ -= latest_->text.size();
  const auto [begin, end] = owner_.watches_.equal_range(id_);
  for (auto it = begin; it != end; ++it)
    if (it->second == this) {
      owner_.watches_.erase(it);
      return;
    }
}

void waiters::watch::saw(row now) {
  keep(std::move(now), true);
}

void waiters::watch::keep(row now, bool with_text) {
  // A revision only grows and a terminal status is final, except for a retry, which the store tells in order.
  if (latest_ && now->revision < latest_->revision) return;
  const bool same = latest_ && now->revision == latest_->revision && now->status == latest_->status;
  if (same && (has_text_ || !with_text)) return;
  if (has_text_) owner_.kept_bytes_ -= latest_->text.size();
  has_text_ = with_text && owner_.kept_bytes_ + now->text.size() <= owner_.options_.max_bytes;
  if (has_text_) owner_.kept_bytes_ += now->text.size();
  if (has_text_ || now->text.empty()) {
    latest_ = std::move(now);
  } else {
    auto without = std::make_shared<message>(*now);
    std::string().swap(without->text);
    latest_ = std::move(without);
  }
  if (woken_ && (*enough_)(*latest_)) woken_->set(true);
}

task<row> waiters::watch::until(std::function<bool(const message&)> enough, milliseconds longest,
                                std::shared_ptr<http::peer> asker) {
  const auto deadline = owner_.env_.timers->now() + longest;
  for (;;) {
    const bool in_vain = !co_await change_until(enough, deadline, asker);
    if (!latest_ || has_text_) co_return latest_;
    auto whole = co_await with_text();
    if (in_vain || !whole || enough(*whole) || owner_.env_.timers->now() >= deadline) co_return whole;
    keep(std::move(whole), true);  // retried meanwhile: it waits on
  }
}

/// False where the time is over first, everyone is sent home, or the asker has gone.
task<bool> waiters::watch::change_until(const std::function<bool(const message&)>& enough, timers::time_point deadline,
                                        std::shared_ptr<http::peer> asker) {
  while (!(latest_ && enough(*latest_))) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - owner_.env_.timers->now());
    if (owner_.closing_ || (asker && asker->gone()) || left <= milliseconds(0)) co_return false;
    woken_ = std::make_shared<one_shot<bool>>(owner_.env_.executor);
    enough_ = &enough;
    if (asker) asker->wakes(woken_);
    const auto timer = owner_.env_.timers->start(left, [woken = woken_] { woken->set(false); });
    co_await woken_->wait();
    woken_.reset();
  }
  co_return true;
}

task<row> waiters::watch::with_text() const {
  try {
    const auto whole = co_await owner_.store_.find(id_);
    if (whole.unreadable) throw unavailable(unavailable::reason::outcome_unknown, life_cycle::unreadable(id_).detail);
    co_return whole.now;
  } catch (const unavailable& failed) {
    throw unavailable(unavailable::reason::outcome_unknown, failed.what());
  }
}

}  // namespace amc::broker
