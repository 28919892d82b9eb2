#pragma once

#include <memory>

#include "broker/messages.hpp"

namespace amc::broker {

/// Counts once in a while what waits in each queue, so that charts show it also of times at which nobody looked.
/// Counting takes at most a twentieth of the time, however much there is to count. For one thread.
class queue_counting {
 public:
  queue_counting(const environment& env, std::shared_ptr<broker::messages> messages, milliseconds interval)
      : timers_(env.timers), messages_(std::move(messages)), interval_(interval), clock_(env), tasks_(env.executor) {}

  void run() { tasks_.spawn(loop()); }
  task<void> stop();

 private:
  task<void> loop();

  std::shared_ptr<timers> timers_;
  std::shared_ptr<broker::messages> messages_;
  milliseconds interval_;
  bool stopping_ = false;
  alarm_clock clock_;
  task_group tasks_;
};

}  // namespace amc::broker
