#pragma once

#include <functional>
#include <string>

#include "core/message.hpp"

namespace amc {

/// A service's function: takes a delivery and returns the message's next text. It may run again for one (id, revision)
/// if its service died or its lease ran out, and only the first answer counts. An exception means "try again later".
using handler = std::function<std::string(const claimed_revision&)>;

struct service_definition {
  std::string name;   ///< in logs
  std::string queue;  ///< where its messages wait
  amc::handler handler;
  /// Whether a call may take long (I/O, waiting): then each delivery in hand has a thread of its own. Without it all
  /// calls share the service's one thread.
  bool blocking = true;
  /// Answers on the store itself instead of through the broker's API (as the seed's ServiceB does).
  bool on_the_store = false;
};

}  // namespace amc
