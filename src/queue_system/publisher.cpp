#include "queue_system/publisher.hpp"

#include "queue_system/event_codec.hpp"

namespace amc::queue_system {

publisher::publisher(const environment& env, platform& engine)
    : driver_(engine.make_publisher()),
      wall_clock_(env.wall_clock),
      event_ids_(uuid_v7_source(env.wall_clock, env.random)),
      sent_(
          env.metrics->counter("messaging_client_sent_messages_total", "Events that the queue engine has confirmed")) {
  constexpr std::size_t inbox_max = 16'384;
  constexpr std::size_t batch_max = 256;
  worker_ = std::make_unique<batching_worker<job, outcome>>(
      env.start_worker, batching_worker<job, outcome>::options{"publisher", inbox_max, batch_max, env.metrics},
      std::vector<batching_worker<job, outcome>::run_batch>{[this](std::vector<job>& batch) { return run(batch); }});
}

task<void> publisher::ring(const environment& env, std::vector<ringing> events) {
  co_await worker_->run(env, job(std::move(events)));
}

task<std::vector<std::size_t>> publisher::depths(const environment& env, std::vector<std::string> queues) {
  auto told = co_await worker_->run(env, job(std::move(queues)));
  co_return std::move(told.depths);
}

task<std::vector<std::vector<left_events>>> publisher::left(const environment& env, std::vector<std::string> queues) {
  job asked = left_of{std::move(queues)};
  auto told = co_await worker_->run(env, std::move(asked));
  co_return std::move(told.left);
}

std::vector<publisher::outcome> publisher::run(std::vector<job>& batch) {
  std::vector<outgoing> out;
  const auto now = wall_clock_();
  for (const auto& work : batch)
    if (const auto* events = std::get_if<std::vector<ringing>>(&work))
      for (const auto& [queue, ready] : *events) out.push_back({queue, encode(ready, event_ids_(), now)});
  if (!out.empty()) driver_->publish(out);
  for (const auto& sent : out) sent_.Add({{"messaging_destination_name", sent.queue}}).Increment();

  std::vector<outcome> outcomes(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (const auto* queues = std::get_if<std::vector<std::string>>(&batch[i]))
      for (const auto& queue : *queues) outcomes[i].depths.push_back(driver_->depth(queue));
    if (const auto* of = std::get_if<left_of>(&batch[i]))
      for (const auto& queue : of->queues) outcomes[i].left.push_back(driver_->left(queue));
  }
  return outcomes;
}

}  // namespace amc::queue_system
