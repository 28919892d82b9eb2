#include "queue_system/rabbitmq/watchdog.hpp"

#include <sys/socket.h>

#include <utility>

namespace amc::queue_system::rabbitmq {

using clock = std::chrono::steady_clock;

watchdog::watchdog() : thread_([this] { loop(); }) {}

watchdog::~watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

watchdog::guard::guard(watchdog& owner, int socket, milliseconds longest)
    : owner_(owner), socket_(socket), ends_(clock::now() + longest) {
  const std::lock_guard lock(owner_.mutex_);
  place_ = owner_.guards_.insert(owner_.guards_.end(), this);
  if (std::exchange(owner_.idle_, false)) owner_.changed_.notify_one();
}

watchdog::guard::~guard() {
  const std::lock_guard lock(owner_.mutex_);
  owner_.guards_.erase(place_);
}

void watchdog::loop() {
  pthread_setname_np(pthread_self(), "watchdog");
  // Seldom enough to cost nothing, often enough for time-outs of seconds.
  constexpr milliseconds interval{250};
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    // Guards come and go thousands of times a second: only one that finds nobody looking wakes the watchdog.
    idle_ = guards_.empty();
    changed_.wait(lock, [&] { return stopping_ || !idle_; });
    changed_.wait_for(lock, interval, [&] { return stopping_; });
    end_overdue(clock::now());
  }
}

void watchdog::end_overdue(clock::time_point now) {
  for (auto* g : guards_)
    if (g->ends_ <= now) ::shutdown(g->socket_, SHUT_RDWR);
}

}  // namespace amc::queue_system::rabbitmq
