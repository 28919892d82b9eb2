#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/message.hpp"
#include "core/metrics.hpp"

namespace amc {

/// Timers of one thread. Production runs them on Asio, a simulation on virtual time.
class timers {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  /// Destroying it before it fires means that it never fires.
  using timer = std::shared_ptr<void>;

  virtual ~timers() = default;
  virtual time_point now() const = 0;  ///< from any thread
  /// Calls `fire` once on the executor's thread, no sooner than `delay` from now.
  virtual timer start(milliseconds delay, std::function<void()> fire) = 0;
};

/// Runs the blocking loop of one worker. Destroying it ends the loop after the step under way.
class worker_host {
 public:
  virtual ~worker_host() = default;
  /// There is work: run `step` soon. Callable from any thread.
  virtual void wake() = 0;
};

/// One batch of blocking work. Says when it wants to be called again: after this pause, which no `wake()` cuts short,
/// or, where there is none, at the next `wake()`.
using worker_step = std::function<std::optional<milliseconds>()>;

/// Starts a host. Production gives each host a thread of its own; a simulation steps them in virtual time.
using start_worker = std::function<std::unique_ptr<worker_host>(std::string name, worker_step step)>;

/// What a component needs of its surroundings. One thread runs the executor, and everything that is built on this
/// environment is used on that thread only, unless its header says otherwise.
struct environment {
  boost::asio::any_io_executor executor;
  std::shared_ptr<amc::timers> timers;
  amc::start_worker start_worker;
  std::function<timestamp()> wall_clock;  ///< for people and ids: it may jump. From any thread.
  std::function<std::uint64_t()> random;  ///< 64 random bits. From any thread.
  std::shared_ptr<amc::metrics> metrics = std::make_shared<amc::metrics>();
};

/// The wall clock, and the kernel's randomness: nobody can tell the next from those before.
timestamp system_wall_clock();
std::uint64_t system_random();

/// Asio timers, one thread for each worker, and the above.
environment system_environment(boost::asio::any_io_executor executor);

}  // namespace amc
