#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <stdexcept>

#include "queue_system/platform.hpp"

namespace amc::tests {

/// An engine for one thread whose queues the test fills and reads, and that can be told to be away.
class scripted_platform : public platform {
 public:
  amc::capabilities capabilities() const override { return {.in_process = true, .empty_at_start = true}; }

  void check(std::span<const std::string>, std::span<const std::string>) override { fail_as_told(); }

  std::unique_ptr<queue_publisher> make_publisher() override { return std::make_unique<publisher>(*this); }
  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t) override {
    fail_as_told();
    return std::make_unique<subscriber>(*this, queue);
  }

  std::map<std::string, std::deque<std::string>> queues{};
  std::vector<std::string> acknowledged{};
  bool away = false;
  bool refuses = false;  ///< a right is missing
  bool is_odd = false;   ///< what it says is nothing that its driver knows

 private:
  void fail_as_told() const {
    if (away) throw unavailable(unavailable::reason::away, "the engine is away");
    if (refuses) throw unavailable(unavailable::reason::refused, "no right to the engine");
    if (is_odd) throw std::logic_error("an answer that nobody knows");
  }

  class publisher : public queue_publisher {
   public:
    explicit publisher(scripted_platform& owner) : owner_(owner) {}
    void publish(std::span<const outgoing> batch) override {
      owner_.fail_as_told();
      for (const auto& out : batch) owner_.queues[out.queue].push_back(out.bytes);
    }
    std::size_t depth(const std::string& queue) override {
      owner_.fail_as_told();
      return owner_.queues[queue].size();
    }

   private:
    scripted_platform& owner_;
  };

  class subscriber : public queue_subscriber {
   public:
    subscriber(scripted_platform& owner, std::string queue) : owner_(owner), queue_(std::move(queue)) {}
    ~subscriber() override {
      for (auto& [tag, bytes] : unsettled_) owner_.queues[queue_].push_back(bytes);
    }
    std::vector<incoming> receive(std::size_t max, milliseconds) override {
      owner_.fail_as_told();
      auto& queue = owner_.queues[queue_];
      std::vector<incoming> batch;
      while (batch.size() < max && !queue.empty()) {
        unsettled_[++last_] = queue.front();
        batch.push_back({last_, queue.front()});
        queue.pop_front();
      }
      return batch;
    }
    void acknowledge(std::span<const std::uint64_t> tags) override {
      for (const auto tag : tags)
        if (auto found = unsettled_.extract(tag)) owner_.acknowledged.push_back(found.mapped());
    }
    void give_back(std::span<const std::uint64_t> tags) override {
      for (const auto tag : tags)
        if (auto found = unsettled_.extract(tag)) owner_.queues[queue_].push_back(found.mapped());
    }

   private:
    scripted_platform& owner_;
    std::string queue_;
    std::map<std::uint64_t, std::string> unsettled_;
    std::uint64_t last_ = 0;
  };
};

}  // namespace amc::tests
