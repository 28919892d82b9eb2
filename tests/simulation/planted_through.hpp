#pragma once

#include "message_store/store.hpp"
#include "queue_system/platform.hpp"

namespace amc::simulation {

/// Passes everything on, as a base for what passes something on wrongly.
class store_through : public store {
 public:
  explicit store_through(std::unique_ptr<store> to) : to_(std::move(to)) {}

  std::vector<outcome> apply(std::span<const change> batch) override { return to_->apply(batch); }
  std::vector<found_row> find(std::span<const uuid> ids, bool with_text) override { return to_->find(ids, with_text); }
  std::vector<due_row> due(std::size_t limit) override { return to_->due(limit); }
  std::vector<due_row> waiting(const waiting_request& which) override { return to_->waiting(which); }
  void make_all_due(const std::string& queue) override { to_->make_all_due(queue); }
  paused_queues paused(const std::optional<pause_request>& request) override { return to_->paused(request); }
  purged purge(const purge_request& what) override { return to_->purge(what); }
  void try_writing() override { to_->try_writing(); }
  timestamp now() override { return to_->now(); }

 protected:
  store& to() { return *to_; }

 private:
  std::unique_ptr<store> to_;
};

class reader_through : public store_reader {
 public:
  explicit reader_through(std::unique_ptr<store_reader> to) : to_(std::move(to)) {}
  message_page list(const list_filter& filter) override { return to_->list(filter); }
  std::vector<queue_counts> counts() override { return to_->counts(); }
  std::size_t pending_of(const std::string& owner, std::size_t at_most) override {
    return to_->pending_of(owner, at_most);
  }
  place_told place_of(const place_question& which) override { return to_->place_of(which); }
  told_past past_of(const uuid& id) override { return to_->past_of(id); }

 private:
  std::unique_ptr<store_reader> to_;
};

class publisher_through : public queue_publisher {
 public:
  explicit publisher_through(std::unique_ptr<queue_publisher> to) : to_(std::move(to)) {}
  void publish(std::span<const outgoing> batch) override { to_->publish(batch); }
  std::size_t depth(const std::string& queue) override { return to_->depth(queue); }

 private:
  std::unique_ptr<queue_publisher> to_;
};

class subscriber_through : public queue_subscriber {
 public:
  explicit subscriber_through(std::unique_ptr<queue_subscriber> to) : to_(std::move(to)) {}
  std::vector<incoming> receive(std::size_t max, milliseconds longest) override { return to_->receive(max, longest); }
  void acknowledge(std::span<const std::uint64_t> tags) override { to_->acknowledge(tags); }
  void give_back(std::span<const std::uint64_t> tags) override { to_->give_back(tags); }

 private:
  std::unique_ptr<queue_subscriber> to_;
};

/// A platform whose publishers and subscribers can be replaced.
class platform_through : public platform {
 public:
  explicit platform_through(std::unique_ptr<platform> to) : to_(std::move(to)) {}
  amc::capabilities capabilities() const override { return tell(to_->capabilities()); }
  void check(std::span<const std::string> published, std::span<const std::string> received) override {
    to_->check(published, received);
  }
  std::unique_ptr<queue_publisher> make_publisher() override { return publish(to_->make_publisher()); }
  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) override {
    return subscribe(to_->make_subscriber(queue, prefetch));
  }

  std::function<amc::capabilities(amc::capabilities)> tell = [](amc::capabilities same) { return same; };
  std::function<std::unique_ptr<queue_publisher>(std::unique_ptr<queue_publisher>)> publish =
      [](std::unique_ptr<queue_publisher> same) { return same; };
  std::function<std::unique_ptr<queue_subscriber>(std::unique_ptr<queue_subscriber>)> subscribe =
      [](std::unique_ptr<queue_subscriber> same) { return same; };

 private:
  std::unique_ptr<platform> to_;
};

}  // namespace amc::simulation
