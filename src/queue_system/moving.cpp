#include "queue_system/moving.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "core/error.hpp"
#include "core/log.hpp"

namespace amc::queue_system {
namespace {

using clock = std::function<std::chrono::steady_clock::time_point()>;

/// What an engine that may go at any time is used by: a subscriber or a publisher of it, made again after a while where
/// it has failed. For one thread.
template <class Driver>
class perhaps {
 public:
  using make_driver = std::function<std::unique_ptr<Driver>()>;
  perhaps(std::string what, make_driver make, clock now)
      : what_(std::move(what)), make_(std::move(make)), now_(std::move(now)) {}

  /// Whether the engine was there, and this has been done with it.
  template <class Use>
  bool with(const Use& use) {
    if (!driver_ && now_() < next_try_) return false;
    try {
      if (!driver_) driver_ = make_();
      use(*driver_);
      if (std::exchange(away_, false)) log::info("queue", what_ + " again");
      pause_ = shortest;
      return true;
    } catch (const std::exception& failed) {
      driver_.reset();
      next_try_ = now_() + pause_;
      pause_ = std::min(2 * pause_, longest);
      if (!std::exchange(away_, true)) log::warning("queue", "not now: " + what_ + ": " + failed.what());
      return false;
    }
  }

 private:
  static constexpr milliseconds shortest{1'000}, longest{60'000};
  std::string what_;
  make_driver make_;
  clock now_;
  std::unique_ptr<Driver> driver_;
  std::chrono::steady_clock::time_point next_try_{};
  milliseconds pause_ = shortest;
  bool away_ = false;
};

class moving_publisher : public queue_publisher {
 public:
  moving_publisher(std::unique_ptr<queue_publisher> to, const std::vector<left_engine>& from, const clock& now)
      : to_(std::move(to)) {
    for (const auto& [name, engine] : from) {
      const auto make = [of = engine] { return of->make_publisher(); };
      from_.push_back({name, perhaps<queue_publisher>("asks what is left in " + name, make, now)});
    }
  }

  void publish(std::span<const outgoing> batch) override { to_->publish(batch); }
  std::size_t depth(const std::string& queue) override { return to_->depth(queue); }

  std::vector<left_events> left(const std::string& queue) override {
    std::vector<left_events> all;
    for (auto& [name, engine] : from_) {
      left_events told{.engine = name};
      engine.with([&](queue_publisher& asked) { told.count = asked.depth(queue); });
      all.push_back(std::move(told));
    }
    return all;
  }

 private:
  struct asked_engine {
    std::string name;
    perhaps<queue_publisher> engine;
  };
  std::unique_ptr<queue_publisher> to_;
  std::vector<asked_engine> from_;
};

class moving_subscriber : public queue_subscriber {
 public:
  moving_subscriber(std::unique_ptr<queue_subscriber> to, const std::vector<left_engine>& from,
                    const std::string& queue, std::size_t prefetch, const clock& now)
      : to_(std::move(to)) {
    for (const auto& [name, engine] : from) {
      const auto make = [of = engine, queue, prefetch] { return of->make_subscriber(queue, prefetch); };
      from_.emplace_back("receives what is left of " + queue + " in " + name, make, now);
    }
  }

  std::vector<incoming> receive(std::size_t max, milliseconds longest) override {
    std::vector<incoming> all;
    for (std::size_t i = 0; i < from_.size(); ++i)
      from_[i].with([&](queue_subscriber& engine) {
        keep(all, engine.receive(max - std::min(max, all.size()), milliseconds(0)), i + 1);
      });
    const auto room = max - std::min(max, all.size());
    keep(all, to_->receive(room, all.empty() ? longest : milliseconds(0)), newest);
    return all;
  }

  void acknowledge(std::span<const std::uint64_t> tags) override {
    settle(tags, [](queue_subscriber& engine, std::span<const std::uint64_t> its) { engine.acknowledge(its); });
  }
  void give_back(std::span<const std::uint64_t> tags) override {
    settle(tags, [](queue_subscriber& engine, std::span<const std::uint64_t> its) { engine.give_back(its); });
  }

 private:
  static constexpr std::size_t newest = 0;  ///< the place of the new engine; the others have those behind it
  struct origin {
    std::size_t place;
    std::uint64_t tag;
  };

  void keep(std::vector<incoming>& all, std::vector<incoming> received, std::size_t place) {
    for (auto& in : received) {
      unsettled_[++last_tag_] = {place, in.tag};
      all.push_back({last_tag_, std::move(in.bytes)});
    }
  }

  /// One that went meanwhile gives its events to somebody else by itself.
  template <class Settle>
  void settle(std::span<const std::uint64_t> tags, const Settle& how) {
    std::vector<std::vector<std::uint64_t>> by_place(from_.size() + 1);
    for (const auto tag : tags)
      if (const auto found = unsettled_.extract(tag)) by_place[found.mapped().place].push_back(found.mapped().tag);
    for (std::size_t i = 0; i < from_.size(); ++i)
      if (const auto& its = by_place[i + 1]; !its.empty())
        from_[i].with([&](queue_subscriber& engine) { how(engine, its); });
    if (const auto& its = by_place[newest]; !its.empty()) how(*to_, its);
  }

  std::unique_ptr<queue_subscriber> to_;
  std::vector<perhaps<queue_subscriber>> from_;
  std::unordered_map<std::uint64_t, origin> unsettled_;
  std::uint64_t last_tag_ = 0;
};

class moving_platform : public platform {
 public:
  moving_platform(std::shared_ptr<platform> to, std::vector<left_engine> from, clock now)
      : to_(std::move(to)), from_(std::move(from)), now_(std::move(now)) {}

  amc::capabilities capabilities() const override {
    auto all = to_->capabilities();
    for (const auto& left : from_) all.gives_back = all.gives_back && left.engine->capabilities().gives_back;
    return all;
  }

  void check(std::span<const std::string> published, std::span<const std::string> received) override {
    to_->check(published, received);
    for (const auto& [name, engine] : from_) try {
        engine->check({}, received);
      } catch (const unavailable& failed) {
        if (failed.why() == unavailable::reason::refused)
          throw unavailable(failed.why(), failed.what() + std::string("; or take ") + name +
                                              " out of queue_system.also_receive_from");
        log::warning("queue", "starts without " + name + " (queue_system.also_receive_from): " + failed.what());
      }
  }

  std::unique_ptr<queue_publisher> make_publisher() override {
    return std::make_unique<moving_publisher>(to_->make_publisher(), from_, now_);
  }
  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) override {
    return std::make_unique<moving_subscriber>(to_->make_subscriber(queue, prefetch), from_, queue, prefetch, now_);
  }

 private:
  std::shared_ptr<platform> to_;
  std::vector<left_engine> from_;
  clock now_;
};

}  // namespace

std::shared_ptr<platform> make_moving(std::shared_ptr<platform> to, std::vector<left_engine> from,
                                      std::function<std::chrono::steady_clock::time_point()> now) {
  return std::make_shared<moving_platform>(std::move(to), std::move(from), std::move(now));
}

}  // namespace amc::queue_system
