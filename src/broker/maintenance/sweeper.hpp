#pragma once

#include <memory>
#include <vector>

#include "broker/activity.hpp"
#include "broker/messages_metrics.hpp"
#include "broker/ringing.hpp"
#include "core/task.hpp"
#include "message_store/async_store.hpp"

namespace amc::broker {

struct sweeper_options {
  milliseconds interval{};   ///< between two looks for due rows
  std::size_t look_max = 0;  ///< rows of one queue that one look rings
};

/// Rings what is due, buries what has no claims left, ends what has expired, and looks up which queues are paused. Any
/// number of them may sweep one store, in one process or in many, and any of them may be paused or killed in the
/// middle. For one thread.
class sweeper {
 public:
  sweeper(const environment& env, message_store::async_store store, std::shared_ptr<ringing> rings,
          std::shared_ptr<messages_metrics> numbers, std::shared_ptr<activity> seen, std::shared_ptr<pauses> paused,
          sweeper_options options);

  /// `engine_is_empty`: everything that nobody holds is rung at once.
  void run(bool engine_is_empty);
  task<void> stop();

 private:
  task<void> loop(bool engine_is_empty);
  task<void> sweep();
  milliseconds until_next() const;
  task<void> end_what_is_over(const std::vector<due_row>& rows);
  task<void> ring_again(const std::vector<due_row>& rows, std::size_t look_max);

  environment env_;
  message_store::async_store store_;
  std::shared_ptr<ringing> rings_;
  std::shared_ptr<messages_metrics> numbers_;
  std::shared_ptr<activity> seen_;
  std::shared_ptr<pauses> paused_;
  sweeper_options options_;
  timers::time_point next_look_{};  ///< at the store, when no queue that is fed has room
  bool stopping_ = false;
  alarm_clock clock_;
  task_group tasks_;
};

}  // namespace amc::broker
