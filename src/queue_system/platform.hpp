#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/message.hpp"

/// The seam for queue engines. A driver is blocking and batched; `publisher` and `event_source` (src/queue_system) make
/// it asynchronous. An engine carries opaque bytes; it may lose, double, delay and reorder them: the store heals that.
namespace amc {

/// Bytes for a queue.
struct outgoing {
  std::string queue;
  std::string bytes;
};

/// Bytes from a queue, to be acknowledged or given back by their tag.
struct incoming {
  std::uint64_t tag = 0;
  std::string bytes;
};

/// What differs between engines, as a value.
struct capabilities {
  bool in_process = false;      ///< reaches only this process
  bool empty_at_start = false;  ///< keeps nothing over a restart of this process
  bool gives_back = true;       ///< `give_back` delivers again; without it only the sweeper does
  bool keeps_order = true;      ///< a queue's events come as they were published; without it in any order
};

/// Events that are left in an engine that a running system moves away from; nothing where they cannot be counted now.
struct left_events {
  std::string engine{};
  std::optional<std::size_t> count{};
};

/// Publishes. Used by one thread at a time. Everything here may throw `unavailable`, within the driver's own time-out
/// and never after hanging; the driver connects again by itself at the next call.
class queue_publisher {
 public:
  virtual ~queue_publisher() = default;
  /// Returns when the engine has confirmed all of it. On `unavailable` any part of it may have been published.
  /// A queue that does not exist is made.
  virtual void publish(std::span<const outgoing> batch) = 0;
  /// Events that wait in the queue, about; 0 for a queue that does not exist.
  virtual std::size_t depth(const std::string& queue) = 0;
  /// For a system that moves (moving.hpp); a driver has nothing to tell. Does not throw.
  virtual std::vector<left_events> left(const std::string&) { return {}; }
};

/// Takes from one queue. Used by one thread at a time; throws and reconnects like a publisher. What was received and
/// neither acknowledged nor given back is delivered again, to somebody, after the subscriber is destroyed.
class queue_subscriber {
 public:
  virtual ~queue_subscriber() = default;
  /// Waits until at least one is there or the time is over; then returns at once with up to `max`.
  virtual std::vector<incoming> receive(std::size_t max, milliseconds longest) = 0;
  /// Done with. Unknown tags (of a connection that was lost) are ignored.
  virtual void acknowledge(std::span<const std::uint64_t> tags) = 0;
  /// To be delivered again, to anybody.
  virtual void give_back(std::span<const std::uint64_t> tags) = 0;
};

/// One queue engine. Thread-safe; the objects that it makes are for one thread each and do not outlive it.
class platform {
 public:
  virtual ~platform() = default;
  virtual amc::capabilities capabilities() const = 0;
  /// For a start: reaches the engine, makes the queues, and finds out whether this process may publish to the ones and
  /// receive from the others. Neither publishes nor receives anything. Throws `unavailable`: refused when waiting does
  /// not help.
  virtual void check(std::span<const std::string> published, std::span<const std::string> received) = 0;
  virtual std::unique_ptr<queue_publisher> make_publisher() = 0;
  /// A queue that does not exist is made. Holds at most `prefetch` that are neither acknowledged nor given back.
  virtual std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) = 0;
};

}  // namespace amc
