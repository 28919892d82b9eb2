#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <deque>
#include <memory>

#include "core/environment.hpp"
#include "core/task.hpp"
#include "tests/simulation/world.hpp"

namespace amc::simulation {

class process;

/// A worker of a process: the sim's stand-in for a thread that blocks in a driver.
class worker {
 public:
  worker(process& owner, worker_step step) : owner_(owner), step_(std::move(step)) {}

  void wake();
  /// To be called by a driver within a step: it would wait this long now. The next step comes after that, or when
  /// somebody wakes the worker.
  void block(milliseconds longest) { blocked_ = longest; }
  /// How long the step under way takes: until then nobody hears of what it did.
  milliseconds duration() const { return duration_; }

 private:
  void schedule(milliseconds delay);
  void run();

  friend class process;
  process& owner_;
  worker_step step_;
  std::weak_ptr<worker> self_{};
  milliseconds duration_{};
  std::optional<milliseconds> blocked_{};
  bool awake_ = false;
  bool pausing_ = false;
  std::uint64_t turn_ = 0;  ///< which of the scheduled steps counts
};

/// One run of one process: a thread's executor, timers, clocks and workers, in virtual time. It can be paused: nothing
/// of it runs until it goes on. It can be killed: from then on nothing of it reaches the world.
class process {
 public:
  process(world& in, std::string name);
  ~process();
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  const std::string& name() const { return name_; }
  const environment& env() const { return env_; }
  world& in() const { return world_; }

  /// Where handlers run: each takes the time that this draws.
  boost::asio::any_io_executor slow_executor(std::function<milliseconds()> duration);

  void spawn(task<void> work);
  /// On the process's thread, after a while.
  void later(milliseconds delay, std::function<void()> action);

  bool alive() const { return !cut_off_ && !doomed_; }
  bool paused() const { return paused_until_ > world_.now(); }
  void pause(milliseconds longest);
  void move_wall_clock(milliseconds by) { wall_offset_ += by; }

  /// From within: it is killed right here, before anything else of it runs. `bury` is called a moment later.
  void doom();
  std::function<void()> bury;

  /// Kills it: it is cut off from the world.
  void die() { cut_off_ = true; }
  /// Of a process that was cut off: lets it run to its end unseen, since coroutines can only be freed by ending. False
  /// when it does not come to rest.
  bool run_down();

  /// The worker whose step is under way; null on the process's own thread.
  std::shared_ptr<worker> current_worker() const { return current_.lock(); }

  struct job {
    virtual ~job() = default;
    virtual void run() = 0;
  };
  void post(std::unique_ptr<job> work);
  void post_slowly(std::unique_ptr<job> work, const std::function<milliseconds()>& duration);

 private:
  class executor;
  class virtual_timers;
  class host;
  friend class worker;

  milliseconds clock() const { return cut_off_ ? own_time_ : world_.now(); }
  void look_at(milliseconds time);
  bool on_its_thread() const { return running_ && current_.expired(); }
  void run();
  bool run_one();
  bool halted() const { return doomed_ || (!cut_off_ && paused()); }

  world& world_;
  std::string name_;
  environment env_;
  std::deque<std::unique_ptr<job>> ready_;
  agenda agenda_;
  std::weak_ptr<worker> current_;
  random_stream random_;
  milliseconds wall_offset_{};
  milliseconds paused_until_{-1};
  milliseconds own_time_{};  ///< after it was cut off
  bool cut_off_ = false;
  bool doomed_ = false;
  bool running_ = false;
  std::optional<milliseconds> next_look_{};
};

}  // namespace amc::simulation
