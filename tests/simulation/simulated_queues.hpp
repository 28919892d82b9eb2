#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "queue_system/platform.hpp"
#include "tests/simulation/process.hpp"

namespace amc::simulation {

/// A queue engine, to which every process has connections of its own. It may lose (even what it has confirmed), double,
/// delay and reorder events, deliver them again while they are worked on, forget everything, and be away.
class engine {
 public:
  engine(world& in, engine_kind kind) : world_(in), kind_(kind) {}

  /// The engine as one process reaches it.
  std::unique_ptr<platform> connect(process& by);

  void go_away(milliseconds longest);
  void wipe();
  /// One subscriber's connection is lost.
  void cut_somebody();
  /// One queue is divided anew: whoever has a share of it starts again at the first event that is not acknowledged.
  void divide_anew();
  /// All of one process's are.
  void forget(const process& gone);

  /// Events that wait, without those that the engine itself has doubled.
  std::size_t depth(const std::string& queue) const;
  std::size_t waiting() const;
  /// How often anybody has asked how deep a queue is.
  int depths_asked() const { return depths_asked_; }

  /// What a service has really done with; the engine fails the run where anything else is acknowledged.
  void note_settled(std::span<const std::uint64_t> tags) { settled_.insert(tags.begin(), tags.end()); }

  /// Called for every event as it is published, before anything happens to it.
  std::function<void(const process& by, const outgoing& out)> seen;
  /// Called with what a queue holds before somebody takes of it.
  std::function<void(const std::string& queue, std::size_t depth)> seen_depth;

 private:
  struct event_in_queue {
    std::string bytes;
    milliseconds ready_at{};
    bool again = false;  ///< doubled or delivered before
  };
  struct subscription {
    process* by = nullptr;
    std::string queue;
    std::size_t prefetch = 0;
    std::map<std::uint64_t, std::string> unsettled{};
    std::map<std::uint64_t, std::string> acknowledged_above{};  ///< by offsets: above the first that is unsettled
    std::weak_ptr<worker> sleeper{};
    bool lost = false;
  };
  class publisher;
  class subscriber;
  class connected;

  void reach(const process& by) const;
  void publish(process& by, std::span<const outgoing> batch);
  void put(const std::string& queue, event_in_queue what);
  void wake(const std::string& queue, milliseconds delay);
  void acknowledge(subscription& link, std::uint64_t tag);
  /// What it holds is to be delivered again.
  void take_back(subscription& link);
  void cut(subscription& link);
  std::vector<incoming> receive(subscription& link, std::size_t max, milliseconds longest);

  world& world_;
  engine_kind kind_;
  std::set<std::uint64_t> settled_;
  std::map<std::string, std::deque<event_in_queue>> queues_;
  std::vector<std::shared_ptr<subscription>> links_;
  milliseconds away_until_{-1};
  std::uint64_t last_tag_ = 0;
  int depths_asked_ = 0;
};

}  // namespace amc::simulation
