#include "tests/benchmarks/probes/platform_driver.hpp"

#include "queue_system/embedded/embedded.hpp"

namespace amc::benchmarks {

void expected_events::publish(std::vector<std::string> events) {
  earlier_.insert(events_.begin(), events_.end());
  events_ = std::move(events);
  next_ = 0;
}

void expected_events::arrive(const std::string& event) {
  if (!all_here() && event == events_[next_])
    ++next_;
  else
    require(earlier_.contains(event), "an event was lost, or came out of order");
}

platform_driver::platform_driver(std::shared_ptr<platform> engine, std::string queue, amount work)
    : engine_(std::move(engine)), queue_(std::move(queue)), work_(work), publisher_(engine_->make_publisher()) {
  const std::vector<std::string> queues{queue_};
  engine_->check(queues, queues);
  publisher_->depth(queue_);  // connects
}

double platform_driver::publish() {
  expected_.publish(make_events(work_.count));
  std::vector<outgoing> all;
  for (const auto& bytes : expected_.events()) all.push_back({queue_, bytes});
  const stopwatch watch;
  for (std::size_t at = 0; at < all.size(); at += work_.batch)
    publisher_->publish(std::span(all).subspan(at, std::min(work_.batch, all.size() - at)));
  return watch.seconds();
}

double platform_driver::receive() {
  const auto subscriber = engine_->make_subscriber(queue_, prefetch);
  const stopwatch watch;
  while (!expected_.all_here()) {
    const auto batch = subscriber->receive(work_.batch, milliseconds(5'000));
    require(!batch.empty(), "an event was lost");
    std::vector<std::uint64_t> tags;
    for (const auto& [tag, bytes] : batch) {
      tags.push_back(tag);
      expected_.arrive(bytes);
    }
    subscriber->acknowledge(tags);
  }
  return watch.seconds();
}

std::vector<probe> embedded_probes(amount work) {
  const auto driver = std::make_shared<platform_driver>(queue_system::make_embedded(), "q", work);
  return {{"embedded publish", {}, [driver] { return driver->publish(); }},
          {"embedded receive", {}, [driver] { return driver->receive(); }}};
}

}  // namespace amc::benchmarks
