#pragma once

#include <functional>
#include <memory>
#include <string>

#include "broker/router.hpp"
#include "core/config.hpp"
#include "core/config_in_force.hpp"

namespace amc::app {

/// Reads the configuration again from where it came from. Throws config_error.
using reread = std::function<config()>;

/// What SIGHUP does where there are routes: they and the policies of queues become what the configuration says now.
/// Whole or not at all: whatever is wrong anywhere in it, everything stays as it was. What has changed and cannot be
/// reloaded is warned of. For one thread.
class reloading {
 public:
  /// `running`: as the process was started with. `shown` is told what is in force since.
  reloading(const config& running, reread read, std::shared_ptr<broker::router> routes,
            std::shared_ptr<config_in_force> shown);

  /// Says what has changed. Throws config_error.
  std::string operator()();

 private:
  config running_;
  reread read_;
  std::shared_ptr<broker::router> routes_;
  std::shared_ptr<config_in_force> shown_;
  config in_force_;  ///< of what can be reloaded
};

}  // namespace amc::app
