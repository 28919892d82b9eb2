#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "core/environment.hpp"

namespace amc {

/// A coroutine of one environment's thread.
template <class T>
using task = boost::asio::awaitable<T>;

/// One value that one coroutine waits for and several sources race to set: the first wins, late ones are ignored. This
/// is the only way anything here waits, so cancelling, deadlines and completions need no other machinery: whoever
/// loses the race finishes unobserved. For one thread; keep it in a shared_ptr when a source may outlive the waiter.
template <class T>
class one_shot {
 public:
  explicit one_shot(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  bool is_set() const { return value_.has_value(); }

  /// True when this call was the first. The waiter resumes later, from the executor.
  bool set(T value) {
    if (!keep(std::move(value))) return false;
    if (resume_) std::exchange(resume_, nullptr)->later(executor_);
    return true;
  }

  /// The waiter resumes before this returns: for callers on the executor that do nothing afterwards.
  void set_and_resume(T value) {
    if (keep(std::move(value)) && resume_) std::exchange(resume_, nullptr)->now();
  }

  /// For one waiter, once.
  task<T> wait() {
    if (!value_) {
      auto initiate = [this](auto waiting) {
        resume_ = std::make_unique<resumer_with<decltype(waiting)>>(std::move(waiting));
      };
      co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(initiate,
                                                                                         boost::asio::use_awaitable);
    }
    co_return std::move(*value_);
  }

 private:
  /// What resumes a coroutine is only movable, and its type belongs to Asio.
  struct resumer {
    virtual ~resumer() = default;
    virtual void later(const boost::asio::any_io_executor& executor) = 0;
    virtual void now() = 0;
  };
  template <class Handler>
  struct resumer_with : resumer {
    explicit resumer_with(Handler h) : waiting(std::move(h)) {}
    void later(const boost::asio::any_io_executor& executor) override {
      boost::asio::post(executor, std::move(waiting));
    }
    void now() override { std::move(waiting)(); }
    Handler waiting;
  };

  bool keep(T value) {
    if (value_) return false;
    value_.emplace(std::move(value));
    return true;
  }

  boost::asio::any_io_executor executor_;
  std::optional<T> value_;
  std::unique_ptr<resumer> resume_;
};

/// Goes on no sooner than this; at once when it is not positive.
inline task<void> sleep_for(const environment& env, milliseconds time) {
  if (time <= milliseconds(0)) co_return;
  auto over = std::make_shared<one_shot<bool>>(env.executor);
  const auto timer = env.timers->start(time, [over] { over->set(true); });
  co_await over->wait();
}

/// Lets a loop sleep until it is poked or the time is over.
class alarm_clock {
 public:
  explicit alarm_clock(const environment& env) : env_(env) {}

  /// Ends the sleep under way, or else the next one.
  void poke() {
    poked_ = true;
    if (sleep_) sleep_->set(true);
  }

  task<void> sleep(milliseconds longest) {
    if (!poked_) {
      sleep_ = std::make_shared<one_shot<bool>>(env_.executor);
      const auto timer = env_.timers->start(longest, [sleep = sleep_] { sleep->set(false); });
      co_await sleep_->wait();
    }
    poked_ = false;
    sleep_.reset();
  }

 private:
  environment env_;
  bool poked_ = false;
  std::shared_ptr<one_shot<bool>> sleep_;
};

/// Counts the coroutines that belong to an object, so that the object can wait until they have all ended.
class task_group {
 public:
  explicit task_group(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  /// Starts a coroutine. An exception that leaves it is a defect and ends the process.
  void spawn(task<void> work) {
    ++running_;
    boost::asio::co_spawn(executor_, std::move(work), [this](const std::exception_ptr& failed) {
      if (failed) std::rethrow_exception(failed);
      if (--running_ == 0 && drained_) drained_->set(true);
    });
  }

  int running() const { return running_; }

  /// Returns when none is running any more. For one waiter at a time.
  task<void> drain() {
    if (running_ == 0) co_return;
    drained_ = std::make_shared<one_shot<bool>>(executor_);
    co_await drained_->wait();
    drained_.reset();
  }

 private:
  boost::asio::any_io_executor executor_;
  int running_ = 0;
  std::shared_ptr<one_shot<bool>> drained_;
};

}  // namespace amc
