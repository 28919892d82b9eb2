#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "amc/platform.hpp"
#include "amc/service.hpp"
#include "core/log.hpp"
#include "core/task.hpp"
#include "queue_system/event_source.hpp"
#include "service/broker_client.hpp"
#include "service/company.hpp"

namespace amc::service {

struct runtime_options {
  std::size_t concurrency = 64;           ///< deliveries in hand at once
  milliseconds handler_timeout{300'000};  ///< a handler that takes longer has failed
  /// Of the process; services that share one share this.
  std::shared_ptr<service::company> company = std::make_shared<service::company>();
};

/// Runs one service: hears events, claims no more than it has free handlers for, runs the handler, answers (together
/// what has ended while the last answers were under way), and extends the lease of what takes long. An exception of a
/// handler, or one that takes too long, is told as a failure; its late answer counts for nothing, and until it ends it
/// occupies its place. A broker that is away is waited for, with back-off. For one thread; handlers run where
/// `handlers` says.
class service_runtime {
 public:
  service_runtime(const environment& env, service_definition service, std::shared_ptr<broker_client> client,
                  platform& engine, boost::asio::any_io_executor handlers, runtime_options options);

  ~service_runtime();

  void run();
  /// Takes nothing new, finishes what is in hand within `longest`, releases the rest. False when handlers are
  /// still running then: they cannot be interrupted, so the process must end without destroying this.
  task<bool> stop(milliseconds longest);

 private:
  using received = queue_system::event_source::received;
  struct in_hand {
    delivery work;
    timers::time_point lease_ends;
    timers::time_point handler_ends;  ///< then it has failed
    std::optional<result<std::string>> outcome{};
  };

  void hear(std::vector<received> events);
  void pump();
  void end_of_lonely_run();
  void note_busy();
  task<void> claim(std::vector<received> events, bool alone);
  void take(const received& heard, granted granted);
  void start_handler(std::uint64_t number, delivery work);
  result<std::string> handle(const delivery& work) const;
  void ended(std::uint64_t number, timers::time_point begun, result<std::string> outcome);
  void conclude(std::uint64_t number, result<std::string> outcome);
  task<void> tell_outcomes();
  task<void> tell(const std::vector<std::uint64_t>& numbers);
  std::vector<std::uint64_t> untold(const std::vector<std::uint64_t>& numbers, bool answered) const;
  task<void> tell_answers(std::vector<std::uint64_t> numbers);
  task<void> tell_failures(std::vector<std::uint64_t> numbers);
  void forget(std::uint64_t number);
  task<void> finish(std::shared_ptr<one_shot<bool>> done);
  task<void> look_loop();
  milliseconds until_next_look() const;
  void end_overdue();
  task<void> extend_due();
  task<void> back_off();
  task<void> release_in_hand();
  void note_broker(bool reachable, const std::string& why);
  log::about about(const delivery& work) const { return {work.id, work.revision}; }

  environment env_;
  service_definition service_;
  std::shared_ptr<broker_client> client_;
  platform& engine_;
  boost::asio::any_io_executor handlers_;
  runtime_options options_;

  std::unique_ptr<queue_system::event_source> source_;
  std::deque<received> waiting_;  ///< heard, not claimed yet
  std::deque<received> lonely_;   ///< to be claimed alone
  std::map<std::uint64_t, in_hand> in_hand_;
  std::uint64_t last_number_ = 0;
  std::vector<std::uint64_t> untold_;  ///< in hand, with an outcome that the broker does not know
  bool telling_ = false;
  std::size_t overdue_ = 0;  ///< handlers that still run, and whose end counts for nothing
  bool claiming_ = false;
  bool alone_ = false;         ///< what is in hand was claimed alone
  bool company_next_ = false;  ///< after a lonely run the others have their turn
  bool stopping_ = false;
  bool broker_reachable_ = true;
  milliseconds pause_{};
  prometheus::Histogram& durations_;
  prometheus::Histogram& failed_durations_;
  timers::time_point next_look_{};
  alarm_clock look_clock_;
  std::shared_ptr<one_shot<bool>> emptied_;  ///< set when nothing is in hand any more
  task_group loops_;
  task_group works_;
};

}  // namespace amc::service
