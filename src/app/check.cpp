#include <re2/re2.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>

#include "access/configuration.hpp"
#include "api/configuration.hpp"
#include "app/processes.hpp"
#include "broker/router.hpp"
#include "consumer_services/services.hpp"
#include "core/environment.hpp"
#include "message_store/stores.hpp"
#include "queue_system/platforms.hpp"
#include "telemetry/configuration.hpp"

namespace amc::app {
namespace {

void check_address(const config& settings, const char* key) {
  boost::system::error_code failed;
  boost::asio::ip::make_address(settings.text(key), failed);
  if (failed)
    throw settings.complaint(key, repeated(settings.text(key)) + " is not an IP address, such as 127.0.0.1 or ::");
}

void check_pattern(const config& settings, const char* key) {
  const RE2 pattern(settings.text(key), RE2::Quiet);
  if (!pattern.ok())
    throw settings.complaint(key, repeated(settings.text(key)) + " is not a regular expression: " + pattern.error());
}

}  // namespace

void check_listener(const config& settings) {
  access::check(settings, "broker.http.address");
  if (!settings.text("broker.admin.address").empty()) access::check(settings, "broker.admin.address");
  boost::asio::io_context unused;
  api::certificates_from(system_environment(unused.get_executor()), settings);
  if (!settings.text("broker.http.tls.client_ca_file").empty() && settings.text("broker.access.tokens_file").empty())
    throw settings.complaint("broker.http.tls.client_ca_file",
                             "takes broker.access.tokens_file, whose entries say who a certificate is");
}

void check_configuration(const config& settings) {
  for (const auto* key : {"broker.http.address", "consumer_services.http.address"}) check_address(settings, key);
  if (!settings.text("broker.admin.address").empty()) check_address(settings, "broker.admin.address");
  api::server_options_from(settings);
  api::api_options_from(settings);
  consumer_services::receives_from_broker(settings, true);
  check_pattern(settings, "consumer_services.requester.answer_pattern");
  const broker::router routes(settings);
  message_store::check_store(settings);
  queue_system::make_platform(settings);
  consumer_services::configured_service_a(settings);
  const telemetry::traces sends_nothing(settings, std::make_shared<metrics>());
  boost::asio::io_context unused;
  client_for(system_environment(unused.get_executor()), settings, settings.text("consumer_services.broker_client.url"));
}

}  // namespace amc::app
