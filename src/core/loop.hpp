#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <string>
#include <thread>

#include "core/environment.hpp"
#include "core/other_thread.hpp"
#include "core/task.hpp"

namespace amc {

/// One thread that runs everything built on its environment. What was built must be destroyed before it, or after the
/// thread has been joined.
class loop {
 public:
  /// `numbers` of the process; none: its own.
  explicit loop(const std::string& name, std::shared_ptr<amc::metrics> numbers = nullptr);
  ~loop();
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;

  const environment& env() const { return env_; }
  boost::asio::any_io_executor executor() { return context_.get_executor(); }

  /// Runs a coroutine on the loop's thread and waits for it, from any other thread. Throws `unavailable` where it does.
  template <class T>
  T run(task<T> work) {
    return value_of(boost::asio::co_spawn(context_, as_value(std::move(work)), boost::asio::use_future).get());
  }
  void run(task<void> work) { run(as_done(std::move(work))); }

  /// Runs a function on the loop's thread and waits for it, from any other thread.
  void run(std::function<void()> work);

 private:
  static task<bool> as_done(task<void> work) {
    co_await std::move(work);
    co_return true;
  }

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{context_.get_executor()};
  environment env_;
  std::thread thread_;
};

}  // namespace amc
