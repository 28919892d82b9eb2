#include "tests/benchmarks/probes/platform_driver.hpp"

#include "queue_system/embedded/embedded.hpp"

namespace amc::benchmarks {

platform_driver::platform_driver(std::shared_ptr<platform> engine, std::string queue, amount work)
    : engine_(std::move(engine)), queue_(std::move(queue)), work_(work), publisher_(engine_->make_publisher()) {
  engine_->check(std::vector<std::string>{queue_});
  publisher_->depth(queue_);  // connects
}

double platform_driver::publish() {
  events_ = make_events(work_.count);
  std::vector<outgoing> all;
  for (const auto& bytes : events_) all.push_back({queue_, bytes});
  const stopwatch watch;
  for (std::size_t at = 0; at < all.size(); at += work_.batch)
    publisher_->publish(std::span(all).subspan(at, std::min(work_.batch, all.size() - at)));
  return watch.seconds();
}

double platform_driver::receive() {
  const auto subscriber = engine_->make_subscriber(queue_, prefetch);
  std::vector<std::string> received;
  received.reserve(events_.size());
  const stopwatch watch;
  while (received.size() < events_.size()) {
    auto batch = subscriber->receive(work_.batch, milliseconds(5'000));
    require(!batch.empty(), "an event was lost");
    std::vector<std::uint64_t> tags;
    for (auto& [tag, bytes] : batch) {
      tags.push_back(tag);
      received.push_back(std::move(bytes));
    }
    subscriber->acknowledge(tags);
  }
  const auto seconds = watch.seconds();
  require(received == events_, "events came otherwise than they were published");
  return seconds;
}

std::vector<probe> embedded_probes(amount work) {
  const auto driver = std::make_shared<platform_driver>(queue_system::make_embedded(), "q", work);
  return {{"embedded publish", {}, [driver] { return driver->publish(); }},
          {"embedded receive", {}, [driver] { return driver->receive(); }}};
}

}  // namespace amc::benchmarks
