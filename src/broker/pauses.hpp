#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "message_store/async_store.hpp"

namespace amc::broker {

/// Which queues are paused, as this process knows it: the store keeps it, whoever sweeps looks it up again, and so all
/// who work on a store know within one sweep interval. From a paused queue nothing is claimed, handed off or rung; what
/// is stored into it waits. For one thread.
class pauses {
 public:
  explicit pauses(message_store::async_store store) : store_(std::move(store)) {}

  /// Null where none is.
  const std::shared_ptr<const paused_queues>& known() const { return known_; }
  /// Null where the queue is not.
  const paused_queue* of(std::string_view queue) const;

  /// Looks it up. Throws `unavailable`.
  task<void> refresh();
  /// Durable when it returns, and known here. Throws `unavailable`.
  task<void> change(pause_request what);

  /// Called for each queue that is found to be paused no more.
  void when_resumed(std::function<void(const std::string& queue)> call) { resumed_ = std::move(call); }

 private:
  void adopt(paused_queues found);

  message_store::async_store store_;
  std::shared_ptr<const paused_queues> known_{};
  int changes_ = 0;  ///< begun, or ended: what was looked up meanwhile may be older
  std::function<void(const std::string& queue)> resumed_{};
};

}  // namespace amc::broker
