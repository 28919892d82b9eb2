#include "service/running.hpp"

#include <boost/json/serialize.hpp>
#include <cstdlib>

#include "access/configuration.hpp"
#include "core/log.hpp"
#include "core/patience.hpp"

namespace amc::service {
namespace {

http::response fault(int status, std::string detail, std::string_view) {
  const boost::json::object body{{"error", true}, {"detail", std::move(detail)}, {"status", status}};
  return {status, {{"Content-Type", "application/problem+json"}}, boost::json::serialize(body)};
}

/// A few numbers for those who look after this process; nobody sends it anything.
http::server_options server_options_from(const config& settings) {
  http::server_options options;
  options.address_keys = "consumer_services.http";
  options.address = settings.text("consumer_services.http.address");
  options.port = static_cast<std::uint16_t>(settings.integer("consumer_services.http.port"));
  options.header_max_bytes = 16'384;
  options.body_max_bytes = 1'024;
  options.connections_max = 100;
  options.idle_timeout = milliseconds(60'000);
  options.header_timeout = milliseconds(10'000);
  options.body_timeout = milliseconds(30'000);
  options.rate_min_bytes_per_s = 16'384;
  options.bodies_max_bytes = 65'536;
  options.answers_max_bytes = 64 << 20;
  return options;
}

}  // namespace

void end_or_exit(bool finished, int exit_code) {
  if (finished) return;
  // not covered: nothing is counted of a process that ends so
  log::warning("amc", "a handler, or what is still to be told, does not end in time; ending without it");
  log::flush();
  std::_Exit(exit_code);
}

void wait_for_broker(stop_request& stop, loop& on, const config& settings, http::caller& calls) {
  const auto timeout = settings.duration("consumer_services.broker_client.timeout_ms");
  const auto ask = [&] {
    http::request asked{"GET", "/healthz"};
    const auto reply = on.run(calls.send(std::move(asked), timeout));
    if (reply.status != 200)  // a proxy, or somebody else
      throw unavailable(unavailable::reason::away, "GET /healthz was answered " + std::to_string(reply.status));
  };
  const auto url = mask_url(settings.text("consumer_services.broker_client.url"));
  patiently(stop, settings, "the broker at " + url + " (consumer_services.broker_client.url)", ask);
}

running_numbers::running_numbers(loop& on, const config& settings) : loop_(on) {
  if (!settings.boolean("consumer_services.http.enabled")) return;
  access::check(settings, "consumer_services.http.address");
  loop_.run([&] {
    identity_ = access::identity_from(loop_.env(), settings);
    if (identity_) identity_->run();
    server_ = std::make_unique<http::server>(
        loop_.env(), server_options_from(settings), [this](const http::request& asked) { return answer(asked); },
        fault);
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
  const auto who = identity_->identify(asked, *asked.from);
  if (!who) {
    auto reply = fault(401, who.error().detail, asked.target);
    reply.headers.add("WWW-Authenticate", "Bearer");
    return reply;
  }
  if ((*who)->where(right::read).has_all()) return {};
  return fault(403, "This takes the right read:*.", asked.target);
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
    reply = fault(404, "There are /metrics and /healthz here.", asked.target);
  co_return reply;
}

running_service::running_service(loop& on, const handler& call, bool blocking, std::size_t concurrency,
                                 const maker& make)
    : loop_(on) {
  if (call.is_asynchronous())
    handlers_ = std::make_unique<boost::asio::thread_pool>(1);
  else if (blocking)
    handlers_ = std::make_unique<boost::asio::thread_pool>(concurrency);
  loop_.run([&] {
    runtime_ = make(handlers_ ? boost::asio::any_io_executor(handlers_->get_executor()) : loop_.executor());
    runtime_->run();
  });
}

running_service::~running_service() {
  if (runtime_) end_or_exit(stop(milliseconds(0)), 1);
}

bool running_service::stop(milliseconds longest) {
  if (!loop_.run(runtime_->stop(longest))) return false;
  loop_.run([&] { runtime_.reset(); });
  return true;
}

}  // namespace amc::service
