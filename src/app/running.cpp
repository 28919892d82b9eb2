#include "app/running.hpp"

#include <unistd.h>

#include <cstdlib>

#include "access/configuration.hpp"
#include "api/configuration.hpp"
#include "app/processes.hpp"
#include "consumer_services/direct_broker_client.hpp"
#include "core/log.hpp"
#include "core/uuid_source.hpp"

namespace amc::app {

namespace {

std::shared_ptr<amc::service::receiving_client> http_client(const environment& env, const config& settings,
                                                            const std::string& url) {
  return amc::service::make_http_broker_client(client_for(env, settings, url),
                                               settings.duration("consumer_services.broker_client.timeout_ms"));
}

}  // namespace

void end_or_exit(bool finished, int exit_code) {
  if (finished) return;
  log::warning("amc", "a handler does not end; ending without it");
  log::flush();
  std::_Exit(exit_code);
}

running_numbers::running_numbers(loop& on, const config& settings) : loop_(on) {
  if (!settings.boolean("consumer_services.http.enabled")) return;
  access::check(settings, "consumer_services.http.address");
  auto options = api::server_options_from(settings);
  options.address_keys = "consumer_services.http";
  options.address = settings.text("consumer_services.http.address");
  options.port = static_cast<std::uint16_t>(settings.integer("consumer_services.http.port"));
  loop_.run([&] {
    identity_ = access::identity_from(loop_.env(), settings);
    if (identity_) identity_->run();
    server_ = std::make_unique<http::server>(
        loop_.env(), options, [this](const http::request& asked) { return answer(asked); }, api::http_api::fault);
    server_->run();
  });
  log::info("amc", "reports its metrics at " + server_->url() + "/metrics");
}

running_numbers::~running_numbers() {
  if (!server_) return;
  loop_.run(server_->stop(milliseconds(1'000)));
  if (identity_) loop_.run(identity_->stop());
  loop_.run([&] {
    server_.reset();
    identity_.reset();
  });
}

/// As a broker's.
std::optional<http::response> running_numbers::refused_numbers(const http::request& asked) {
  if (!identity_) return {};
  const auto who = identity_->identify(asked, asked.from->address());
  if (!who) {
    auto reply = api::http_api::fault(401, who.error().detail, asked.target);
    reply.headers.add("WWW-Authenticate", "Bearer");
    return reply;
  }
  if ((*who)->where(right::read).has_all()) return {};
  return api::http_api::fault(403, "This takes the right read:*.", asked.target);
}

task<http::response> running_numbers::answer(const http::request& asked) {
  http::response reply{200, {{"Content-Type", metrics::content_type}}, {}};
  if (auto refused = asked.path() == "/metrics" ? refused_numbers(asked) : std::nullopt)
    reply = *std::move(refused);
  else if (asked.path() == "/metrics")
    reply.body = loop_.env().metrics->text();
  else if (asked.path() == "/healthz")
    reply = {200, {{"Content-Type", "application/json"}}, R"({"status":"ok"})"};
  else
    reply = api::http_api::fault(404, "There are /metrics and /healthz here.", asked.target);
  co_return reply;
}

std::string new_worker_name(const environment& env) {
  return "amc " + std::to_string(getpid()) + " " + to_string(uuid_v7_source(env.wall_clock, env.random)());
}

running_service::running_service(loop& on, const config& settings, service_definition service, workplace at)
    : loop_(on) {
  amc::service::runtime_options options;
  options.company = at.company;
  // A broker takes no more claims than this in one request.
  options.concurrency =
      std::min(settings.size("consumer_services.concurrency"), settings.size("broker.http.claims_max"));
  options.in_hand_max_bytes = settings.size("consumer_services.in_hand_max_bytes");
  options.handler_timeout = settings.duration("consumer_services.handler_timeout_ms");
  if (service.blocking) handlers_ = std::make_unique<boost::asio::thread_pool>(options.concurrency);
  try {
    loop_.run([&] {
      if (at.engine)
        start(settings, std::move(service), at, options);
      else
        start_receiving(settings, std::move(service), at, options);
    });
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

boost::asio::any_io_executor running_service::handlers() {
  return handlers_ ? boost::asio::any_io_executor(handlers_->get_executor()) : loop_.executor();
}

void running_service::start(const config& settings, service_definition service, const workplace& at,
                            const amc::service::runtime_options& options) {
  std::shared_ptr<amc::service::broker_client> client;
  if (service.on_the_store) {
    parts_ = make_parts(loop_.env(), *at.base, settings);
    parts_->run(false);
    client = consumer_services::make_direct_broker_client(parts_->messages());
  } else {
    client = http_client(loop_.env(), settings, at.broker_url);
  }
  runtime_ = std::make_unique<amc::service::service_runtime>(loop_.env(), std::move(service), std::move(client),
                                                             *at.engine, handlers(), options);
  runtime_->run();
}

void running_service::start_receiving(const config& settings, service_definition service, const workplace& at,
                                      const amc::service::runtime_options& options) {
  amc::service::receiving how;
  how.worker = at.worker;
  how.wait = settings.duration("consumer_services.receive_wait_ms");
  how.max_bytes = settings.size("broker.claims_max_bytes");  // a broker takes no more
  runtime_ = std::make_unique<amc::service::service_runtime>(loop_.env(), std::move(service),
                                                             http_client(loop_.env(), settings, at.broker_url),
                                                             std::move(how), handlers(), options);
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
