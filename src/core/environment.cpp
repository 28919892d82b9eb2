#include "core/environment.hpp"

#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

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
  thread_host(const std::string& name, std::function<bool()> step) : step_(std::move(step)) {
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
    bool again = false;
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return again || awake_ || stopping_; });
        if (stopping_) return;
        awake_ = false;
      }
      again = step_();
    }
  }

  std::function<bool()> step_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool awake_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

environment system_environment(boost::asio::any_io_executor executor) {
  auto timers = std::make_shared<asio_timers>(executor);
  return {std::move(executor), std::move(timers), [](const std::string& name, std::function<bool()> step) {
            return std::make_unique<thread_host>(name, std::move(step));
          }};
}

}  // namespace amc
