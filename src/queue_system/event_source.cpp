#include "queue_system/event_source.hpp"

#include <boost/asio/post.hpp>
#include <mutex>

#include "core/back_off.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "queue_system/event_codec.hpp"

namespace amc::queue_system {

class event_source::implementation : public std::enable_shared_from_this<implementation> {
 public:
  implementation(const environment& env, platform& engine, std::string queue, std::size_t window, handler take)
      : env_(env),
        engine_(engine),
        queue_(std::move(queue)),
        window_(window),
        take_(std::move(take)),
        consumed_(
            env.metrics->counter("messaging_client_consumed_messages_total", "Events received from the queue engine")
                .Add({{"messaging_destination_name", queue_}})),
        undecodable_(env.metrics->counter("amc_undecodable_events_total", "Events that could not be read: dropped")
                         .Add({{"messaging_destination_name", queue_}})),
        pause_(env.random()) {}

  void start() {
    host_ = env_.start_worker("queue " + queue_, [this] { return step(); });
    wake_now_and_then();
  }

  void stop() {
    take_ = nullptr;
    retired_ = nullptr;
    keep_alive_.reset();
    stopping_ = true;
    host_.reset();
    driver_.reset();
  }

  void retire(std::function<void()> done) {
    take_ = nullptr;
    keep_alive_.reset();
    retired_ = std::move(done);
    stopping_ = true;
    host_->wake();
  }

  void settle(std::vector<std::uint64_t> tags, bool done) {
    if (tags.empty()) return;
    {
      const std::lock_guard lock(mutex_);
      auto& list = done ? done_ : returned_;
      list.insert(list.end(), tags.begin(), tags.end());
    }
    host_->wake();
  }

 private:
  /// A driver's heartbeats move only inside its calls, and with a full window there may be none for long.
  void wake_now_and_then() {
    host_->wake();
    constexpr milliseconds interval{1'000};
    keep_alive_ = env_.timers->start(interval, [this] { wake_now_and_then(); });
  }

  // On the worker's thread from here on.

  std::optional<milliseconds> step() {
    if (stopping_) return end();
    try {
      if (!driver_) {
        driver_ = engine_.make_subscriber(queue_, window_);
        unsettled_.clear();
      }
      settle_all();
      // With a full window there is nothing to receive until something is settled, and that wakes the worker.
      const auto room = window_ - std::min(window_, unsettled_.size());
      tell_undecodable();
      deliver(driver_->receive(room, room > 0 && !stopping_ ? longest_wait() : milliseconds(0)));
      note_engine(true, "");
      if (room == 0) return {};
      return milliseconds(0);
    } catch (const std::exception& failed) {
      // Also what no driver should throw: whatever a server has said, others of this process go on.
      note_engine(false, failed.what());
      driver_.reset();
      return pause_.next();
    }
  }

  std::optional<milliseconds> end() {
    driver_.reset();
    boost::asio::post(env_.executor, [self = shared_from_this()] {
      if (self->retired_) std::exchange(self->retired_, nullptr)();
    });
    return {};
  }

  void settle_all() {
    std::vector<std::uint64_t> done, returned;
    {
      const std::lock_guard lock(mutex_);
      done.swap(done_);
      returned.swap(returned_);
    }
    if (const auto tags = settled(done); !tags.empty()) driver_->acknowledge(tags);
    if (const auto tags = settled(returned); !tags.empty()) driver_->give_back(tags);
  }

  /// The driver's tags for ours. Those of a connection that was lost are unknown by now, and nobody's business.
  std::vector<std::uint64_t> settled(const std::vector<std::uint64_t>& numbers) {
    std::vector<std::uint64_t> tags;
    for (const auto number : numbers)
      if (const auto found = unsettled_.extract(number)) tags.push_back(found.mapped());
    return tags;
  }

  void deliver(std::vector<incoming> batch) {
    std::vector<received> events;
    std::vector<std::uint64_t> undecodable;
    for (const auto& in : batch) {
      // An engine may count its tags from one again after a reconnect; ours never repeat.
      unsettled_[++last_number_] = in.tag;
      const auto decoded = decode(in.bytes);
      if (decoded) {
        events.push_back({last_number_, *decoded});
      } else {
        note_undecodable(decoded.error().detail);
        undecodable.push_back(last_number_);
      }
    }
    {
      // The next step passes them on; there is one, since this one has received something.
      const std::lock_guard lock(mutex_);
      done_.insert(done_.end(), undecodable.begin(), undecodable.end());
    }
    consumed_.Increment(static_cast<double>(batch.size()));
    if (events.empty()) return;
    boost::asio::post(env_.executor, [self = shared_from_this(), events = std::move(events)]() mutable {
      if (self->take_) self->take_(std::move(events));
    });
  }

  /// Anybody may have filled the queue with them: one line a second tells of all.
  void note_undecodable(const std::string& why) {
    undecodable_.Increment();
    ++untold_;
    why_undecodable_ = why;
    tell_undecodable();
  }

  void tell_undecodable() {
    constexpr std::chrono::seconds interval{1};
    const auto now = env_.timers->now();
    if (untold_ == 0 || (told_at_ && now - *told_at_ < interval)) return;
    const auto what = untold_ == 1 ? "an event" : std::to_string(untold_) + " events";
    log::warning("queue", "dropped " + what + " from " + queue_ + " that cannot be read: " + why_undecodable_ +
                              "; does another program publish there?");
    told_at_ = now;
    untold_ = 0;
  }

  void note_engine(bool reachable, const std::string& why) {
    if (reachable) pause_.reset();
    if (reachable == !std::exchange(away_, !reachable)) return;
    if (reachable)
      log::info("queue", "receives from " + queue_ + " again");
    else
      log::warning("queue", "cannot receive from " + queue_ + ": " + why);
  }

  /// Settled events are passed on between two receives, and a stop waits for one.
  milliseconds longest_wait() const { return unsettled_.empty() ? milliseconds(100) : milliseconds(20); }

  environment env_;
  platform& engine_;
  std::string queue_;
  std::size_t window_;
  handler take_;
  std::function<void()> retired_;
  prometheus::Counter& consumed_;
  prometheus::Counter& undecodable_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<std::uint64_t> done_;
  std::vector<std::uint64_t> returned_;
  std::unique_ptr<queue_subscriber> driver_;
  std::unordered_map<std::uint64_t, std::uint64_t> unsettled_;
  std::uint64_t last_number_ = 0;
  std::size_t untold_ = 0;  ///< undecodable ones
  std::string why_undecodable_;
  std::optional<timers::time_point> told_at_;
  bool away_ = false;
  back_off pause_;
  timers::timer keep_alive_;
  std::unique_ptr<worker_host> host_;
};

event_source::event_source(const environment& env, platform& engine, std::string queue, std::size_t window,
                           handler take)
    : implementation_(std::make_shared<implementation>(env, engine, std::move(queue), window, std::move(take))) {
  implementation_->start();
}

event_source::~event_source() {
  implementation_->stop();
}

void event_source::retire(std::function<void()> done) {
  implementation_->retire(std::move(done));
}

void event_source::acknowledge(std::vector<std::uint64_t> tags) {
  implementation_->settle(std::move(tags), true);
}

void event_source::give_back(std::vector<std::uint64_t> tags) {
  implementation_->settle(std::move(tags), false);
}

}  // namespace amc::queue_system
