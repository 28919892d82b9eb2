#pragma once

#include "core/task.hpp"
#include "message_store/async_store.hpp"

namespace amc::broker {

struct purger_options {
  milliseconds interval{};  ///< between two looks that find little
  purge_request what{};
};

/// Deletes what was finished long ago, in small steps. Any number of them may work on one store. For one thread.
class purger {
 public:
  purger(const environment& env, message_store::async_store store, purger_options options)
      : store_(std::move(store)), options_(options), clock_(env), tasks_(env.executor) {}

  void run() { tasks_.spawn(loop()); }
  task<void> stop();

 private:
  task<void> loop();

  message_store::async_store store_;
  purger_options options_;
  bool stopping_ = false;
  alarm_clock clock_;
  task_group tasks_;
};

}  // namespace amc::broker
