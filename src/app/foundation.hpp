#pragma once

#include <memory>

#include "broker/parts.hpp"
#include "core/config.hpp"
#include "core/config_in_force.hpp"
#include "message_store/shared_store.hpp"
#include "queue_system/platform.hpp"
#include "telemetry/tracer.hpp"

namespace amc::app {

/// What everything that works on messages directly shares in a process: the store, the queue engine, the routes, and
/// what it has seen.
struct foundation {
  std::shared_ptr<amc::platform> platform;
  std::shared_ptr<broker::router> routes;
  std::shared_ptr<message_store::shared_store> store;
  std::shared_ptr<queue_system::publisher> publisher;
  std::shared_ptr<broker::activity> seen;
  std::shared_ptr<config_in_force> settings;
  std::shared_ptr<const telemetry::tracer> traces;  ///< null: nothing is traced
  bool engine_is_heard = true;  ///< false where no service can hear it: then work is only received over HTTP
};

/// Opens the store and the engine that are configured; throws startup_error when one cannot be.
foundation make_foundation(const environment& env, const config& settings);
/// Over a store that is open.
foundation make_foundation(const environment& env, const config& settings, opened_store store);

/// The verbs of a message's life over a foundation, and what keeps them going, for the thread of `env`.
std::unique_ptr<broker::parts> make_parts(const environment& env, const foundation& base, const config& settings);

}  // namespace amc::app
