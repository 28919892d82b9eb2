#pragma once

#include <boost/asio/io_context.hpp>
#include <list>
#include <map>
#include <random>

#include "core/environment.hpp"
#include "core/task.hpp"

namespace amc::tests {

/// An environment that the test's own thread drives: time stands still until it is advanced, and workers run between
/// two looks at the executor.
class manual_environment {
 public:
  manual_environment();
  ~manual_environment();

  const environment& env() const { return env_; }
  /// The wall clock of this world, for stores.
  timestamp wall_clock() const;

  /// Runs everything that can run without time passing.
  void settle();
  /// Lets time pass, timer by timer.
  void advance(milliseconds passed);

  /// Starts a coroutine; the result is there when it has ended.
  template <class T>
  std::shared_ptr<std::optional<T>> start(task<T> work) {
    auto done = std::make_shared<std::optional<T>>();
    boost::asio::co_spawn(context_, std::move(work), [done](const std::exception_ptr& failed, T value) {
      if (failed) std::rethrow_exception(failed);
      done->emplace(std::move(value));
    });
    settle();
    return done;
  }

  /// Runs a coroutine to its end, letting time pass as it needs.
  template <class T>
  T run(task<T> work) {
    auto done = start(std::move(work));
    while (!*done) to_next_timer();
    return std::move(**done);
  }
  void run(task<void> work);

 private:
  class manual_timers;
  class manual_host;

  void to_next_timer();

  std::mt19937_64 random_;
  boost::asio::io_context context_{1};
  std::shared_ptr<manual_timers> timers_;
  std::list<manual_host*> hosts_;
  environment env_;
};

}  // namespace amc::tests
