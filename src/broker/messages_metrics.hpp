#pragma once

#include "core/metrics.hpp"
#include "message_store/store.hpp"

namespace amc::broker {

/// What `messages` counts.
class messages_metrics {
 public:
  explicit messages_metrics(metrics& all)
      : rings_(all.counter("amc_rings_total", "Events that were handed to the queue engine")),
        hand_offs_(all.counter("amc_hand_offs_total", "Revisions that were stored already claimed, for a receiver")),
        claims_refused_(all.counter("amc_claims_refused_total", "Claims that the row refused")),
        answers_refused_(all.counter("amc_answers_refused_total", "Answers that the row refused, or no route knows")),
        dead_letters_(all.counter("amc_dead_letters_total", "Messages that have died")),
        accepted_(all.counter("amc_messages_accepted_total", "Messages that were accepted").Add({})),
        ended_(all.counter("amc_messages_ended_total", "Messages that have become terminal")),
        end_to_end_(all.histogram("amc_end_to_end_duration_seconds", "From accepting a message to done")
                        .Add({}, metrics::seconds())) {}

  /// `by`: "relay", right after the change, or "sweeper".
  void rung(const std::string& queue, const char* by) {
    const auto make = [&]() -> auto& { return rings_.Add({{"messaging_destination_name", queue}, {"by", by}}); };
    rung_.get({queue, by}, make).Increment();
  }
  void handed_off(const std::string& queue) {
    const auto make = [&]() -> auto& { return hand_offs_.Add({{"messaging_destination_name", queue}}); };
    handed_off_.get(queue, make).Increment();
  }
  void claim_refused(errc why) { claims_refused_.Add({{"reason", to_string(why)}}).Increment(); }
  void answer_refused(errc why) { answers_refused_.Add({{"reason", to_string(why)}}).Increment(); }
  void accepted() { accepted_.Increment(); }
  void ended(const message& m) {
    const auto make = [&]() -> auto& { return ended_.Add({{"status", to_string(m.status)}}); };
    ended_as_.get(m.status, make).Increment();
    if (m.status == status::dead) dead_letters_.Add({{"messaging_destination_name", m.queue}}).Increment();
    if (m.status == status::done)
      end_to_end_.Observe(std::chrono::duration<double>(m.updated_at - m.created_at).count());
  }

 private:
  metrics::counters& rings_;
  numbers_by<std::pair<std::string, std::string_view>, prometheus::Counter> rung_;
  metrics::counters& hand_offs_;
  numbers_by<std::string, prometheus::Counter> handed_off_;
  metrics::counters& claims_refused_;
  metrics::counters& answers_refused_;
  metrics::counters& dead_letters_;
  prometheus::Counter& accepted_;
  metrics::counters& ended_;
  numbers_by<status, prometheus::Counter> ended_as_;
  prometheus::Histogram& end_to_end_;
};

}  // namespace amc::broker
