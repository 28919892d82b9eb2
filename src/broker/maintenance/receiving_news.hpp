#pragma once

#include <memory>

#include "broker/activity.hpp"
#include "core/task.hpp"
#include "message_store/async_store.hpp"

namespace amc::broker {

/// Tells the other processes of a store, once in a while, who receives through this one and how fast, and hears them:
/// so each broker can say who does, and what a time to wait is estimated by. What is lost on the way is told again the
/// next time.
class receiving_news {
 public:
  receiving_news(const environment& env, message_store::async_store store, std::shared_ptr<activity> seen,
                 milliseconds interval);

  void run();
  task<void> stop();

 private:
  task<void> loop();

  message_store::async_store store_;
  std::shared_ptr<activity> seen_;
  milliseconds interval_;
  std::shared_ptr<void> hearing_;
  bool stopping_ = false;
  alarm_clock clock_;
  task_group tasks_;
};

}  // namespace amc::broker
