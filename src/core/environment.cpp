#include "core/environment.hpp"

#include <sys/random.h>

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace amc {
namespace {

class asio_timers : public timers {
 public:
  explicit asio_timers(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  time_point now() const override { return std::chrono::steady_clock::now(); }

  timer start(milliseconds delay, std::function<void()> fire) override {
    auto waiting = std::make_shared<boost::asio::steady_timer>(executor_, delay);
    waiting->async_wait([fire = std::move(fire), alive = std::weak_ptr(waiting)](boost::system::error_code failed) {
      // The weak pointer also covers a timer that was dropped after it expired but before this ran.
      if (!failed && !alive.expired()) fire();
    });
    return waiting;
  }

 private:
  boost::asio::any_io_executor executor_;
};

class thread_host : public worker_host {
 public:
  thread_host(const std::string& name, worker_step step) : step_(std::move(step)) {
    thread_ = std::thread([this, name] {
      pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
      loop();
    });
  }

  ~thread_host() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void wake() override {
    {
      const std::lock_guard lock(mutex_);
      if (awake_) return;
      awake_ = true;
    }
    changed_.notify_one();
  }

 private:
  void loop() {
    std::optional<milliseconds> pause;
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        if (!pause)
          changed_.wait(lock, [&] { return awake_ || stopping_; });
        else if (*pause > milliseconds(0))
          changed_.wait_for(lock, *pause, [&] { return stopping_; });
        if (stopping_) return;
        awake_ = false;
      }
      pause = step_();
    }
  }

  worker_step step_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool awake_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

timestamp system_wall_clock() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

std::uint64_t system_random() {
  // From the kernel, some at once: a call for each would cost more than all else that an id takes. What was given is
  // wiped, so that nothing in memory tells earlier ids.
  thread_local std::array<std::uint64_t, 32> block{};
  thread_local std::size_t left = 0;
  if (left == 0) {
    // Up to 256 bytes come whole and without an interruption once the kernel's pool is ready.
    static_assert(sizeof block <= 256);
    while (getrandom(block.data(), sizeof block, 0) != sizeof block)
      if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
    left = block.size();
  }
  return std::exchange(block[--left], 0);
}

environment system_environment(boost::asio::any_io_executor executor) {
  auto timers = std::make_shared<asio_timers>(executor);
  const auto start = [](const std::string& name, worker_step step) {
    return std::make_unique<thread_host>(name, std::move(step));
  };
  return {std::move(executor), std::move(timers), start, system_wall_clock, system_random};
}

}  // namespace amc
