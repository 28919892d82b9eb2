#pragma once

#include "consumer_services/name_provider.hpp"
#include "core/config.hpp"
#include "service/service_definition.hpp"

namespace amc::consumer_services {

config_provider provider();

/// Whether services receive from their broker, instead of hearing the queue engine, as configured.
bool receives_from_broker(const config& settings, bool engine_is_in_process);

/// "Hi," → "Hi, NAME.", through the broker's API.
service_definition service_a(name_provider next_name);

/// "Hi, NAME." → "Hi, NAME. Bye!", on the store.
service_definition service_b();

/// With the names that are configured.
service_definition configured_service_a(const config& settings);

}  // namespace amc::consumer_services
