#include "tests/support/manual_environment.hpp"

#include <stdexcept>

namespace amc::tests {

class manual_environment::manual_timers : public timers {
 public:
  time_point now() const override { return now_; }

  timer start(milliseconds delay, std::function<void()> fire) override {
    auto handle = std::make_shared<std::function<void()>>(std::move(fire));
    pending_.emplace(now_ + delay, handle);
    return handle;
  }

  std::optional<time_point> next() {
    while (!pending_.empty() && pending_.begin()->second.expired()) pending_.erase(pending_.begin());
    if (pending_.empty()) return {};
    return pending_.begin()->first;
  }

  void fire_next() {
    const auto handle = pending_.begin()->second.lock();
    now_ = std::max(now_, pending_.begin()->first);
    pending_.erase(pending_.begin());
    if (handle) (*handle)();
  }

  void set_now(time_point now) { now_ = now; }

 private:
  time_point now_{std::chrono::hours(1)};
  std::multimap<time_point, std::weak_ptr<std::function<void()>>> pending_;
};

class manual_environment::manual_host : public worker_host {
 public:
  manual_host(manual_environment& world, worker_step step) : world_(world), step_(std::move(step)) {
    world_.hosts_.push_back(this);
  }
  ~manual_host() override { world_.hosts_.remove(this); }

  void wake() override { awake_ = true; }

  bool run() {
    if (!std::exchange(awake_, false)) return false;
    // A worker that wants to go on at once does so a moment later, so that time can pass.
    if (const auto pause = step_())
      again_ = world_.timers_->start(std::max(*pause, milliseconds(1)), [this] { awake_ = true; });
    return true;
  }

 private:
  manual_environment& world_;
  worker_step step_;
  bool awake_ = false;
  timers::timer again_;
};

manual_environment::manual_environment() : timers_(std::make_shared<manual_timers>()) {
  env_.executor = context_.get_executor();
  env_.timers = timers_;
  env_.start_worker = [this](const std::string&, worker_step step) {
    return std::make_unique<manual_host>(*this, std::move(step));
  };
  env_.wall_clock = [this] { return wall_clock(); };
  env_.random = [this] { return random_(); };
}

manual_environment::~manual_environment() = default;

timestamp manual_environment::wall_clock() const {
  return timestamp(std::chrono::duration_cast<milliseconds>(timers_->now().time_since_epoch()));
}

void manual_environment::settle() {
  for (bool busy = true; busy;) {
    context_.restart();
    busy = context_.poll() > 0;
    const auto hosts = hosts_;
    for (auto* host : hosts) busy = host->run() || busy;
  }
}

void manual_environment::advance(milliseconds passed) {
  const auto end = timers_->now() + passed;
  settle();
  while (timers_->next() && *timers_->next() <= end) {
    timers_->fire_next();
    settle();
  }
  timers_->set_now(end);
}

void manual_environment::to_next_timer() {
  if (!timers_->next()) throw std::logic_error("a coroutine waits for something that never comes");
  timers_->fire_next();
  settle();
}

void manual_environment::run(task<void> work) {
  const auto wrapped = [](task<void> inner) -> task<bool> {
    co_await std::move(inner);
    co_return true;
  };
  run(wrapped(std::move(work)));
}

}  // namespace amc::tests
