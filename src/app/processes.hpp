#pragma once

#include <functional>
#include <string>

#include "app/reloading.hpp"
#include "consumer_services/requester.hpp"
#include "consumer_services/services.hpp"
#include "core/config.hpp"
#include "http/client.hpp"

/// What the binary can be: each runs until it is told to stop and returns the exit code. They throw startup_error when
/// they cannot start.
namespace amc::app {

std::vector<config_provider> providers();

/// Everything about the configuration that a start would complain about before it opens or connects to anything. Throws
/// config_error.
void check_configuration(const config& settings);

/// The same of a broker's listener: who can reach it, its tokens and certificates. Throws config_error.
void check_listener(const config& settings);

std::shared_ptr<http::caller> client_for(const environment& env, const config& settings, const std::string& url);
consumer_services::requester_options requester_options_from(const config& settings);

/// `read`: what SIGHUP reads the configuration again with.
int broker_process(const config& settings, reread read);
int service_process(const config& settings, consumer_services::example_service service, reread read);

/// Broker, ServiceA and ServiceB in one process. `meanwhile` runs when all are up, with the broker's URL; when it
/// returns a code the process stops with it, otherwise it goes on until told to stop.
int all_process(const config& settings, reread read,
                const std::function<std::optional<int>(const std::string& url)>& meanwhile = nullptr);

/// Asks the configured broker, one request after the other. Throws startup_error when it cannot be asked.
class broker_caller {
 public:
  explicit broker_caller(const config& settings);
  ~broker_caller();
  http::response ask(std::string method, std::string target, std::string body = "");
  /// With header fields. The answer may come so much later, since it waits for something. Throws `unavailable`.
  http::response send(http::request asked, milliseconds waits);

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

/// Prints what the broker says of its health; 0 when it is ready.
int health(const config& settings);

/// Brings the store's schema up to date and prints the steps, or only prints what would be done.
int migrate(const config& settings, bool only_plan);

/// One conversation with the broker at `url`.
consumer_services::conversation converse(const config& settings, const std::string& url, const std::string& text);

}  // namespace amc::app
