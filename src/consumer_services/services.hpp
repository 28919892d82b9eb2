#pragma once

#include "amc/service.hpp"
#include "consumer_services/name_provider.hpp"
#include "core/config.hpp"

namespace amc::consumer_services {

config_provider provider();

/// Whether services receive from their broker, instead of hearing the queue engine, as configured.
bool receives_from_broker(const config& settings, bool engine_is_in_process);

/// A service of the seed's.
struct example_service {
  service_definition what{};
  bool on_the_store = false;  ///< where it hears an engine it answers on the store itself
};

/// "Hi," → "Hi, NAME.", through the broker's API.
example_service service_a(name_provider next_name);

/// "Hi, NAME." → "Hi, NAME. Bye!", on the store.
example_service service_b();

/// With the names that are configured.
example_service configured_service_a(const config& settings);

}  // namespace amc::consumer_services
