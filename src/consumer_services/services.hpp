#pragma once

#include "amc/config.hpp"
#include "amc/service.hpp"
#include "consumer_services/name_provider.hpp"

namespace amc::consumer_services {

config_provider provider();

/// "Hi," → "Hi, NAME.", through the broker's API.
service_definition service_a(name_provider next_name);

/// "Hi, NAME." → "Hi, NAME. Bye!", on the store.
service_definition service_b();

/// With the names that are configured.
service_definition configured_service_a(const config& settings);

}  // namespace amc::consumer_services
