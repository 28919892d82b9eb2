#include "tests/benchmarks/probes/platform_driver.hpp"

#include "queue_system/embedded/embedded.hpp"
#include "queue_system/platforms.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/engine_place.hpp"

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
  // An engine may take seconds to find out who receives: Kafka does.
  take(*subscriber, 1, milliseconds(30'000));
  const stopwatch watch;
  while (!expected_.all_here()) take(*subscriber, work_.batch, milliseconds(5'000));
  return watch.seconds();
}

void platform_driver::take(queue_subscriber& from, std::size_t max, milliseconds longest) {
  const auto batch = from.receive(max, longest);
  require(!batch.empty(), "an event was lost");
  std::vector<std::uint64_t> tags;
  for (const auto& [tag, bytes] : batch) {
    tags.push_back(tag);
    expected_.arrive(bytes);
  }
  from.acknowledge(tags);
}

std::vector<probe> engine_probes(amount work) {
  std::vector<probe> all;
  for (const auto& engine : tests::served_engine_names()) {
    if (!tests::has_server(engine)) continue;
    const auto place = std::make_shared<tests::engine_place>(engine);
    auto sets = place->sets();
    if (engine == "kafka") sets.emplace_back("queue_system.kafka.partitions=1");  // in order
    const auto driver =
        std::make_shared<platform_driver>(queue_system::make_platform(tests::configured(sets)), "q", work);
    all.push_back({engine + " publish", {}, [driver, place] { return driver->publish(); }});
    all.push_back({engine + " receive", {}, [driver] { return driver->receive(); }});
  }
  return all;
}

std::vector<probe> embedded_probes(amount work) {
  const auto driver = std::make_shared<platform_driver>(queue_system::make_embedded(), "q", work);
  return {{"embedded publish", {}, [driver] { return driver->publish(); }},
          {"embedded receive", {}, [driver] { return driver->receive(); }}};
}

}  // namespace amc::benchmarks
