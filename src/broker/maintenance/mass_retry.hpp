#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "broker/messages.hpp"

namespace amc::broker {

struct mass_retry_options {
  std::size_t per_second = 0;
};

/// Retries all dead (or cancelled) messages that match a filter, so many a second, in the background of one broker; one
/// run at a time. Stops by itself when a message that it has retried fails again as it had failed before: then whatever
/// was wrong still is.
class mass_retry {
 public:
  struct filter {
    amc::status status = status::dead;
    std::string queue{};       ///< empty: any
    std::string error_part{};  ///< stands in the latest error
  };

  /// Of the latest run.
  struct state {
    bool running = false;
    std::size_t retried = 0;
    std::size_t refused = 0;        ///< changed meanwhile, or expired
    std::string stopped_because{};  ///< empty: it came to the end
  };

  mass_retry(const environment& env, std::shared_ptr<broker::messages> messages, mass_retry_options options);

  /// What somebody may by now; null: it is known no more.
  using look_up = std::function<principal_ptr(const principal& known)>;

  /// Retries what `by` may operate on, as `again` says then; null: everything, and nobody is looked up. Errors: held,
  /// while another run is under way.
  result<state> start(filter which, principal_ptr by = {}, look_up again = nullptr);
  /// Of the latest run, for who has started it; for others nothing is going on.
  state now(const principal_ptr& by = {}) const;
  task<void> stop();

 private:
  task<void> run(filter which);
  bool may_go_on();
  task<void> retry_page(const std::vector<row>& rows, const filter& which);
  task<void> look_after();
  task<void> pause();

  environment env_;
  std::shared_ptr<broker::messages> messages_;
  mass_retry_options options_;
  state state_;
  principal_ptr by_{};  ///< who has started the latest run
  look_up again_{};
  std::map<uuid, std::string> watched_;  ///< retried lately, and the error that each had
  bool stopping_ = false;
  alarm_clock clock_;
  task_group tasks_;
};

}  // namespace amc::broker
