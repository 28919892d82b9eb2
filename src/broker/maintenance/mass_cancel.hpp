#pragma once

#include <functional>
#include <string>

#include "broker/messages.hpp"

namespace amc::broker {

/// Cancels what waits in a queue, in small steps, in the background of one broker; one run at a time. What was posted
/// after its beginning, what has gone on to another queue, and what somebody works on, is left alone. What it has
/// cancelled is kept as long as anything that is cancelled, and can be retried.
class mass_cancel {
 public:
  /// Of the latest run.
  struct state {
    std::string queue{};  ///< empty: there was none
    bool running = false;
    std::size_t cancelled = 0;
    std::size_t left = 0;           ///< somebody works on it, or it has changed meanwhile
    std::string stopped_because{};  ///< empty: it came to the end
  };

  mass_cancel(const environment& env, std::shared_ptr<broker::messages> messages);

  /// What somebody may by now; null: it is known no more.
  using look_up = std::function<principal_ptr(const principal& known)>;

  /// Of what was posted by `began` (the store's clock), with the rights that `by` has, as `again` says then; null: all.
  /// Errors: held, while another run is under way.
  result<state> start(std::string queue, timestamp began, principal_ptr by = {}, look_up again = nullptr);
  const state& now() const { return state_; }
  task<void> stop();

 private:
  task<void> run();
  task<bool> cancel_page(list_filter& which);
  bool may_go_on();

  environment env_;
  std::shared_ptr<broker::messages> messages_;
  state state_;
  timestamp began_{};
  principal_ptr by_{};  ///< who has started the latest run
  look_up again_{};
  bool stopping_ = false;
  alarm_clock clock_;
  task_group tasks_;
};

}  // namespace amc::broker
