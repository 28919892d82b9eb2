#include "broker/queue_numbers.hpp"

namespace amc::broker {
namespace {

/// What does not count by itself counts together, under a name that no queue has.
const std::string others = "(others)";
const std::string unnamed = "(unnamed)";

}  // namespace

queue_numbers::queue_numbers(metrics& all, std::size_t queues_max, std::size_t services_max)
    : queues_max_(queues_max),
      services_max_(services_max),
      arrivals_(all.counter("amc_queue_arrivals_total", "Revisions that were stored in a queue")),
      outcomes_(all.counter("amc_queue_outcomes_total", "Revisions that were answered or have failed, by service")),
      waits_(all.histogram("amc_message_wait_seconds", "From when a revision could be worked on to its first claim")),
      processing_(all.histogram("amc_message_processing_seconds", "From a claim to its answer or failure")) {}

void queue_numbers::outcome(const std::string& queue, const std::string& service, bool has_failed) {
  auto& labelled = of(queue);
  const auto& told = service.empty() ? unnamed : service;
  auto found = labelled.outcomes.find(told);
  if (found == labelled.outcomes.end()) {
    const bool room = labelled.outcomes.size() < services_max_;
    found = labelled.outcomes.try_emplace(room ? told : others).first;
  }
  auto& number = has_failed ? found->second.failed : found->second.answered;
  if (!number)
    number = &outcomes_.Add(
        {{"queue", labelled.name}, {"service", found->first}, {"outcome", has_failed ? "failed" : "answered"}});
  number->Increment();
}

queue_numbers::labelled_queue& queue_numbers::of(const std::string& queue) {
  const auto found = queues_.find(queue);
  if (found != queues_.end()) return found->second;
  const auto& name = queues_.size() < queues_max_ ? queue : others;
  auto& made = queues_[name];
  if (!made.name.empty()) return made;
  made.name = name;
  made.arrivals = &arrivals_.Add({{"queue", name}});
  made.wait = &waits_.Add({{"queue", name}}, metrics::seconds());
  made.processing = &processing_.Add({{"queue", name}}, metrics::seconds());
  return made;
}

}  // namespace amc::broker
