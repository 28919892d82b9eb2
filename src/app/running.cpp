#include "app/running.hpp"

#include <cstdlib>

#include "api/configuration.hpp"
#include "app/processes.hpp"
#include "consumer_services/direct_broker_client.hpp"
#include "core/log.hpp"

namespace amc::app {

void end_or_exit(bool finished, int exit_code) {
  if (finished) return;
  log::warning("amc", "a handler does not end; ending without it");
  log::flush();
  std::_Exit(exit_code);
}

running_numbers::running_numbers(loop& on, const config& settings) : loop_(on) {
  if (!settings.boolean("consumer_services.http.enabled")) return;
  auto options = api::server_options_from(settings);
  options.address_keys = "consumer_services.http";
  options.address = settings.text("consumer_services.http.address");
  options.port = static_cast<std::uint16_t>(settings.integer("consumer_services.http.port"));
  loop_.run([&] {
    server_ = std::make_unique<http::server>(
        loop_.env(), options, [this](const http::request& asked) { return answer(asked); }, api::http_api::fault);
    server_->run();
  });
  log::info("amc", "reports its metrics at " + server_->url() + "/metrics");
}

running_numbers::~running_numbers() {
  if (!server_) return;
  loop_.run(server_->stop(milliseconds(1'000)));
  loop_.run([&] { server_.reset(); });
}

task<http::response> running_numbers::answer(const http::request& asked) {
  http::response reply{200, {{"Content-Type", metrics::content_type}}, {}};
  if (asked.path() == "/metrics")
    reply.body = loop_.env().metrics->text();
  else if (asked.path() == "/healthz")
    reply = {200, {{"Content-Type", "application/json"}}, R"({"status":"ok"})"};
  else
    reply = api::http_api::fault(404, "There are /metrics and /healthz here.", asked.target);
  co_return reply;
}

running_service::running_service(loop& on, const config& settings, service_definition service, platform& engine,
                                 const foundation* base, const std::string& broker_url,
                                 std::shared_ptr<service::company> with)
    : loop_(on) {
  amc::service::runtime_options options;
  options.company = std::move(with);
  // A broker takes no more claims than this in one request.
  options.concurrency =
      std::min(settings.size("consumer_services.concurrency"), settings.size("broker.http.claims_max"));
  options.in_hand_max_bytes = settings.size("consumer_services.in_hand_max_bytes");
  options.handler_timeout = settings.duration("consumer_services.handler_timeout_ms");
  if (service.blocking) handlers_ = std::make_unique<boost::asio::thread_pool>(options.concurrency);
  try {
    loop_.run([&] { start(settings, std::move(service), engine, base, broker_url, options); });
  } catch (...) {
    // What runs already must end before it is destroyed.
    if (parts_) loop_.run(parts_->stop());
    throw;
  }
}

running_service::~running_service() {
  if (runtime_) end_or_exit(stop(milliseconds(0)), 1);
}

bool running_service::stop(milliseconds longest) {
  if (!loop_.run(runtime_->stop(longest))) return false;
  if (parts_) loop_.run(parts_->stop());
  loop_.run([&] {
    runtime_.reset();
    parts_.reset();
  });
  return true;
}

void running_service::start(const config& settings, service_definition service, platform& engine,
                            const foundation* base, const std::string& broker_url,
                            const amc::service::runtime_options& options) {
  std::shared_ptr<amc::service::broker_client> client;
  if (service.on_the_store) {
    parts_ = make_parts(loop_.env(), *base, settings);
    parts_->run(false);
    client = consumer_services::make_direct_broker_client(parts_->messages());
  } else {
    client = amc::service::make_http_broker_client(client_for(loop_.env(), settings, broker_url),
                                                   settings.duration("consumer_services.broker_client.timeout_ms"));
  }
  auto handlers = handlers_ ? boost::asio::any_io_executor(handlers_->get_executor()) : loop_.executor();
  runtime_ = std::make_unique<amc::service::service_runtime>(loop_.env(), std::move(service), std::move(client), engine,
                                                             std::move(handlers), options);
  runtime_->run();
}

running_broker::running_broker(loop& on, const config& settings, const foundation& base) : loop_(on) {
  loop_.run([&] {
    broker_ = std::make_unique<broker_server>(loop_.env(), base, settings);
    broker_->run();
  });
}

running_broker::~running_broker() {
  if (broker_) stop();
}

void running_broker::stop() {
  loop_.run(broker_->stop());
  loop_.run([&] { broker_.reset(); });
}

}  // namespace amc::app
