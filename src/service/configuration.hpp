#pragma once

#include "core/config.hpp"
#include "http/client.hpp"
#include "service/service_runtime.hpp"

namespace amc::service {

/// The keys of whoever calls a broker: services, and clients.
config_provider provider();

runtime_options runtime_options_from(const config& settings, const service_definition& of);

/// As services of one process receive. `worker`: one start of one process; no two have the same.
receiving receiving_from(const config& settings, std::string worker);

/// A name that no other start of a process has.
std::string new_worker_name(const environment& env);

/// Calls the broker at `url`, with the token that is configured. Takes answers with texts of so many bytes together.
std::shared_ptr<http::caller> caller_for(const environment& env, const config& settings, const std::string& url,
                                         std::size_t texts_max_bytes);

}  // namespace amc::service
