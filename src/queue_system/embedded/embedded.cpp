#include "queue_system/embedded/embedded.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "queue_system/driver.hpp"
#include "queue_system/registration.hpp"

namespace amc::queue_system {
namespace {

class memory_queue {
 public:
  void push(std::string bytes) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(bytes));
    }
    arrived_.notify_one();
  }

  void push_front(std::vector<std::string> given_back) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.insert(waiting_.begin(), std::make_move_iterator(given_back.begin()),
                      std::make_move_iterator(given_back.end()));
    }
    arrived_.notify_all();
  }

  std::vector<std::string> pop(std::size_t max, milliseconds longest) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, longest, [&] { return !waiting_.empty(); });
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(max, waiting_.size()));
    std::vector<std::string> taken(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    return taken;
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::string> waiting_;
};

class memory_queues {
 public:
  std::shared_ptr<memory_queue> get(const std::string& name) {
    const std::lock_guard lock(mutex_);
    auto& queue = queues_[name];
    if (!queue) queue = std::make_shared<memory_queue>();
    return queue;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<memory_queue>> queues_;
};

class publisher : public queue_publisher {
 public:
  explicit publisher(std::shared_ptr<memory_queues> queues) : queues_(std::move(queues)) {}

  void publish(std::span<const outgoing> batch) override {
    for (const auto& out : batch) queues_->get(out.queue)->push(out.bytes);
  }

  std::size_t depth(const std::string& queue) override { return queues_->get(queue)->size(); }

 private:
  std::shared_ptr<memory_queues> queues_;
};

class subscriber : public queue_subscriber {
 public:
  subscriber(std::shared_ptr<memory_queue> queue, std::size_t prefetch)
      : queue_(std::move(queue)), unsettled_(prefetch) {}

  ~subscriber() override { queue_->push_front(unsettled_.settle_all()); }

  std::vector<incoming> receive(std::size_t max, milliseconds longest) override {
    std::vector<incoming> received;
    for (auto& bytes : queue_->pop(unsettled_.room(max), longest))
      received.push_back({unsettled_.add(bytes), std::move(bytes)});
    return received;
  }

  void acknowledge(std::span<const std::uint64_t> tags) override { unsettled_.settle(tags); }

  void give_back(std::span<const std::uint64_t> tags) override { queue_->push_front(unsettled_.settle(tags)); }

 private:
  std::shared_ptr<memory_queue> queue_;
  unsettled_events<std::string> unsettled_;
};

class embedded : public platform {
 public:
  amc::capabilities capabilities() const override { return {.in_process = true, .empty_at_start = true}; }

  // Queues are made when they are used.
  void check(std::span<const std::string>, std::span<const std::string>) override {}

  std::unique_ptr<queue_publisher> make_publisher() override { return std::make_unique<publisher>(queues_); }

  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) override {
    return std::make_unique<subscriber>(queues_->get(queue), prefetch);
  }

 private:
  std::shared_ptr<memory_queues> queues_ = std::make_shared<memory_queues>();
};

}  // namespace

std::shared_ptr<platform> make_embedded() {
  return std::make_shared<embedded>();
}

registration embedded_engine() {
  return {.name = "embedded", .make = [](const config&) { return make_embedded(); }};
}

}  // namespace amc::queue_system
