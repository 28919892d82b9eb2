#pragma once

#include "api/http_api.hpp"
#include "core/config.hpp"
#include "http/server.hpp"

namespace amc::api {

/// The keys `broker.http.*`, `broker.admin.*` and `broker.page.*`.
config_provider provider();

/// As they hold for every server in a process. Throws config_error.
http::server_options server_options_from(const config& settings);

/// Of the listener of its own for the page; nothing: there is none. Throws config_error.
std::optional<http::server_options> admin_options_from(const config& settings);

/// Of the broker's servers; null: it speaks plain HTTP. Throws config_error.
std::shared_ptr<http::tls_certificates> certificates_from(const environment& env, const config& settings);

api_options api_options_from(const config& settings);
broker::waiters_options waiters_options_from(const config& settings);
broker::receivers_options receivers_options_from(const config& settings);

}  // namespace amc::api
