#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "amc/service.hpp"
#include "core/back_off.hpp"
#include "core/log.hpp"
#include "core/task.hpp"
#include "queue_system/event_source.hpp"
#include "queue_system/platform.hpp"
#include "service/broker_client.hpp"
#include "service/work_rules.hpp"

namespace amc::service {

/// How a service receives from its broker, which claims for it.
struct receiving {
  std::string worker{};             ///< one start of one process, of all services in it; no two have the same
  std::size_t max_bytes = 1 << 30;  ///< of the texts that one request brings
  milliseconds wait{};              ///< a request is parked for so long; whole seconds
};

/// Runs one service: hears events and claims no more than it has free handlers for, or receives what the broker has
/// claimed for it; runs the handler, answers (together what has ended while the last answers were under way, along with
/// the request for more where there is one), and extends the lease of what takes long. An exception of a
/// handler, or one that takes too long, is told as a failure; its late answer counts for nothing, and until it ends it
/// occupies its place. A broker that is away is waited for, with back-off. What to do next is decided by work_rules;
/// this carries it out. For one thread; handlers run where `handlers` says.
class service_runtime {
 public:
  service_runtime(const environment& env, service_definition service, std::shared_ptr<broker_client> client,
                  platform& engine, boost::asio::any_io_executor handlers, const runtime_options& options);
  service_runtime(const environment& env, service_definition service, std::shared_ptr<receiving_client> client,
                  receiving how, boost::asio::any_io_executor handlers, const runtime_options& options);

  void run();
  /// Takes nothing new, finishes what is in hand within `longest`, releases the rest. False when handlers are
  /// still running then: they cannot be interrupted, so the process must end without destroying this.
  task<bool> stop(milliseconds longest);

 private:
  using received = work_rules::received;

  service_runtime(const environment& env, service_definition service, std::shared_ptr<broker_client> client,
                  boost::asio::any_io_executor handlers, const runtime_options& options);

  void hear(std::vector<received> events);
  void go_on();
  void claim_next();
  task<void> claim(std::vector<claim_request> requests);
  void carry_out(work_rules::decision decided);
  task<void> receive_loop();
  task<void> rest();
  task<bool> receive();
  receive_round request_for(const work_rules::room& room, std::optional<work_rules::telling> with) const;
  task<void> stand_loop();
  task<void> stand(work_rules::room room);
  void take(std::vector<claimed_revision> deliveries, std::size_t bytes);
  void offer();
  void begin(std::vector<claimed_revision> deliveries);
  task<void> end_round();
  void start_handler(work_rules::beginning beginning);
  std::shared_ptr<telemetry::span> span_of(claimed_revision& work) const;
  void end_span(telemetry::span one, bool counts, const std::optional<handler_failure>& failed) const;
  void ended(std::uint64_t number, timers::time_point begun, const std::shared_ptr<telemetry::span>& traced,
             handler_outcome outcome);
  void tell_soon();
  void tell_by_itself();
  task<void> tell_outcomes();
  task<void> tell(work_rules::telling next);
  void note_perhaps_told(const std::vector<std::uint64_t>& numbers, const unavailable& why);
  void told(const std::vector<std::uint64_t>& numbers, const std::vector<result<void>>& answers,
            const std::vector<result<status>>& failures);
  void answer_told(std::uint64_t number, const result<void>& said);
  void failure_told(std::uint64_t number, const result<status>& became);
  void forget(std::uint64_t number);
  task<void> finish(std::shared_ptr<one_shot<bool>> done);
  task<void> look_loop();
  void look_in_time();
  task<void> extend_leases();
  void lost(std::uint64_t number, const error& why);
  task<void> release_in_hand();
  task<void> release(std::vector<claimed> claims);
  task<void> pause_if(std::string failed);
  void note_broker(bool reachable, const std::string& why);
  static log::about about(const claimed_revision& work) { return {work.id, work.revision}; }

  environment env_;
  service_definition service_;
  std::shared_ptr<broker_client> client_;
  platform* engine_ = nullptr;                  ///< where it hears events
  std::shared_ptr<receiving_client> receives_;  ///< where it receives instead
  receiving how_;
  boost::asio::any_io_executor handlers_;
  std::size_t window_;
  std::string peer_;
  std::shared_ptr<company> company_;
  std::shared_ptr<const telemetry::tracer> traces_;  ///< null: nothing is traced
  work_rules rules_;
  std::set<std::uint64_t> perhaps_told_;  ///< in hand, with an outcome that a lost connection may have carried

  std::unique_ptr<queue_system::event_source> source_;
  int telling_ = 0;          ///< loops that tell run
  bool in_a_round_ = false;  ///< a request for work is under way
  /// What the request that stands may still bring. The last text may have been larger than what was left.
  struct asked_for {
    std::size_t deliveries = 0;
    std::int64_t bytes = 0;
  };
  std::optional<asked_for> standing_;
  alarm_clock receive_clock_;
  alarm_clock pause_clock_;  ///< between two claims, or requests for work, that have failed
  std::shared_ptr<one_shot<bool>> round_over_;
  bool broker_reachable_ = true;
  back_off pause_;
  prometheus::Histogram& durations_;
  prometheus::Histogram& failed_durations_;
  timers::time_point next_look_{};
  alarm_clock look_clock_;
  std::shared_ptr<one_shot<bool>> emptied_;  ///< set when nothing is in hand any more
  task_group loops_;
  task_group works_;
  std::shared_ptr<bool> there_ = std::make_shared<bool>(true);  ///< expires with this
};

}  // namespace amc::service
