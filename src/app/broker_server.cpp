#include "app/broker_server.hpp"

#include "core/log.hpp"

namespace amc::app {
namespace {

std::vector<std::string> checked(const config& settings, const char* key, bool (*is_one)(std::string_view),
                                 const char* example) {
  auto all = settings.texts(key);
  for (const auto& each : all)
    if (!is_one(each)) throw settings.complaint(key, "\"" + each + "\" is not like " + example);
  return all;
}

}  // namespace

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
  options.bodies_max_bytes = static_cast<std::size_t>(settings.integer("broker.http.bodies_max_bytes"));
  options.answers_max_bytes = static_cast<std::size_t>(settings.integer("broker.http.answers_max_bytes"));
  options.browsers.origins = checked(settings, "broker.http.origins", http::is_origin, "https://ops.example:8443");
  options.browsers.hosts = checked(settings, "broker.http.hosts", http::is_host, "amc.example or amc.example:4000");
  return options;
}

namespace {

api::api_options api_options_from(const config& settings) {
  api::api_options options;
  options.wait_max = settings.duration("broker.http.wait_max_ms");
  options.receive_wait_max = settings.duration("broker.http.receive_wait_max_ms");
  options.receive_max_bytes = static_cast<std::size_t>(settings.integer("broker.claims_max_bytes"));
  options.claims_max = static_cast<std::size_t>(settings.integer("broker.http.claims_max"));
  options.page_max = static_cast<std::size_t>(settings.integer("broker.http.page_max"));
  options.page_max_bytes = static_cast<std::size_t>(settings.integer("broker.http.page_max_bytes"));
  options.pages_max_bytes = static_cast<std::size_t>(settings.integer("broker.http.answers_max_bytes"));
  options.idempotency = settings.duration("broker.idempotency_ms");
  return options;
}

}  // namespace

broker::waiters_options waiters_options_from(const config& settings) {
  return {static_cast<std::size_t>(settings.integer("broker.http.waiters_max")),
          static_cast<std::size_t>(settings.integer("broker.http.waiters_max_bytes"))};
}

broker::receivers_options receivers_options_from(const config& settings) {
  return {static_cast<std::size_t>(settings.integer("broker.http.receivers_max")),
          settings.duration("broker.sweep_interval_ms")};
}

broker_server::broker_server(const environment& env, const foundation& base, const config& settings)
    : engine_is_empty_(base.platform->capabilities().empty_at_start),
      drain_timeout_(settings.duration("broker.drain_timeout_ms")),
      parts_(make_parts(env, base, settings)),
      waiters_(std::make_shared<broker::waiters>(env, message_store::async_store(env, base.store),
                                                 waiters_options_from(settings))),
      receivers_(std::make_shared<broker::receivers>(env, message_store::async_store(env, base.store),
                                                     parts_->messages(), base.engine_is_heard ? base.platform.get() : nullptr,
                                                     receivers_options_from(settings))),
      retries_(std::make_shared<broker::mass_retry>(
          env, parts_->messages(),
          broker::mass_retry_options{static_cast<std::size_t>(settings.integer("broker.retries_per_second"))})),
      api_(env, parts_->messages(), waiters_, receivers_, retries_, api_options_from(settings)),
      server_(
          env, server_options_from(settings), [this](http::request& asked) { return api_.handle(asked); },
          api::http_api::fault) {}

void broker_server::run() {
  parts_->run(engine_is_empty_);
  server_.run();
  log::info("broker", "listening on " + url());
}

task<void> broker_server::stop() {
  waiters_->send_home();
  receivers_->send_home();
  co_await server_.stop(drain_timeout_);
  co_await waiters_->stop();
  co_await receivers_->stop();
  co_await retries_->stop();
  co_await parts_->stop();
}

}  // namespace amc::app
