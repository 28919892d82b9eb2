#include "app/broker_server.hpp"

#include "core/log.hpp"

namespace amc::app {

namespace {

http::server_options server_options_from(const config& settings) {
  http::server_options options;
  options.address = settings.text("broker.http.address");
  options.port = static_cast<std::uint16_t>(settings.integer("broker.http.port"));
  options.header_max_bytes = static_cast<std::size_t>(settings.integer("broker.http.header_max_bytes"));
  options.body_max_bytes = static_cast<std::size_t>(settings.integer("broker.http.body_max_bytes"));
  options.connections_max = static_cast<std::size_t>(settings.integer("broker.http.connections_max"));
  options.idle_timeout = settings.duration("broker.http.idle_timeout_ms");
  options.header_timeout = settings.duration("broker.http.header_timeout_ms");
  options.body_timeout = settings.duration("broker.http.body_timeout_ms");
  options.rate_min_bytes_per_s = static_cast<std::size_t>(settings.integer("broker.http.rate_min_bytes_per_s"));
  return options;
}

api::api_options api_options_from(const config& settings) {
  api::api_options options;
  options.wait_max = settings.duration("broker.http.wait_max_ms");
  options.claims_max = static_cast<std::size_t>(settings.integer("broker.http.claims_max"));
  options.page_max = static_cast<std::size_t>(settings.integer("broker.http.page_max"));
  options.idempotency = settings.duration("broker.idempotency_ms");
  return options;
}

}  // namespace

broker::waiters_options waiters_options_from(const config& settings) {
  return {static_cast<std::size_t>(settings.integer("broker.http.waiters_max")),
          static_cast<std::size_t>(settings.integer("broker.http.waiters_max_bytes"))};
}

broker_server::broker_server(const environment& env, const foundation& base, const config& settings)
    : engine_is_empty_(base.platform->capabilities().empty_at_start),
      drain_timeout_(settings.duration("broker.drain_timeout_ms")),
      parts_(make_parts(env, base, settings)),
      waiters_(std::make_shared<broker::waiters>(env, message_store::async_store(env, base.store),
                                                 waiters_options_from(settings))),
      retries_(std::make_shared<broker::mass_retry>(
          env, parts_->messages(),
          broker::mass_retry_options{static_cast<std::size_t>(settings.integer("broker.retries_per_second"))})),
      api_(env, parts_->messages(), waiters_, retries_, api_options_from(settings)),
      server_(
          env, server_options_from(settings), [this](const http::request& asked) { return api_.handle(asked); },
          api::http_api::fault) {}

void broker_server::run() {
  parts_->run(engine_is_empty_);
  server_.run();
  log::info("broker", "listening on " + url());
}

task<void> broker_server::stop() {
  waiters_->send_home();
  co_await server_.stop(drain_timeout_);
  co_await waiters_->stop();
  co_await retries_->stop();
  co_await parts_->stop();
}

}  // namespace amc::app
