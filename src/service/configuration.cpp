#include "service/configuration.hpp"

#include <unistd.h>

#include "access/token_caller.hpp"
#include "core/uuid_source.hpp"

namespace amc::service {

config_provider provider() {
  return {
      "service",
      {
          {.path = "consumer_services.broker_client.url",
           .kind = config_key::type::url,
           .default_yaml = "http://127.0.0.1:4000",
           .help = "where services and the requester find the broker: http:// or https://"},
          {.path = "consumer_services.broker_client.ca_file",
           .default_yaml = "\"\"",
           .help =
               "with an https URL: the authorities, in PEM, of which one must have signed the broker's certificate. "
               "Empty: those that the machine knows"},
          {.path = "consumer_services.broker_client.certificate_file",
           .default_yaml = "\"\"",
           .help = "the certificate to show a broker that asks for one, in PEM, with those that lead to its authority "
                   "behind it; read again when it or its key changes. Empty: none is shown"},
          {.path = "consumer_services.broker_client.key_file",
           .default_yaml = "\"\"",
           .help = "the key of that certificate, in PEM"},
          {.path = "consumer_services.broker_client.token_file",
           .default_yaml = "\"\"",
           .help = "the file whose first line is the token to send, as \"amc token new\" prints it; read again when it "
                   "changes. Empty: none is sent"},
          number_key("consumer_services.broker_client.timeout_ms", "6000", "for one request to the broker"),
          number_key("consumer_services.receive_wait_ms", "20000",
                     "how long a service's request for work may be parked at the broker; whole seconds count", 1'000,
                     3'600'000),
          number_key("consumer_services.concurrency", "256", "messages that one service has in hand at once", 1, 1'000),
          number_key("consumer_services.threads_max", "64",
                     "threads of one service whose handlers may wait for something; it has no more messages in hand", 1,
                     1'000),
          number_key("consumer_services.in_hand_max_bytes", "67108864",
                     "texts and answers that one service has in hand at once; one message is always taken", 1,
                     1'000'000'000'000),
          number_key("consumer_services.handler_timeout_ms", "300000",
                     "a handler that takes longer has failed: its message is tried again after a pause"),
          number_key("consumer_services.drain_timeout_ms", "10000",
                     "how long a stopping service waits for its handlers before it releases their messages"),
          {.path = "consumer_services.http.enabled",
           .kind = config_key::type::boolean,
           .default_yaml = "false",
           .help = "whether a service in a process of its own answers GET /metrics and /healthz"},
          {.path = "consumer_services.http.address", .default_yaml = "127.0.0.1", .help = "the IP address for that"},
          {.path = "consumer_services.http.port",
           .kind = config_key::type::integer,
           .default_yaml = "4001",
           .help = "the port for that; 0 takes any free one",
           .min = 0,
           .max = 65'535},
      }};
}

runtime_options runtime_options_from(const config& settings, const service_definition& of) {
  runtime_options options;
  options.concurrency = settings.size("consumer_services.concurrency");
  // Each delivery in hand has a thread of its own there.
  if (of.blocking && !of.handler.is_asynchronous())
    options.concurrency = std::min(options.concurrency, settings.size("consumer_services.threads_max"));
  options.in_hand_max_bytes = settings.size("consumer_services.in_hand_max_bytes");
  options.handler_timeout = settings.duration("consumer_services.handler_timeout_ms");
  return options;
}

receiving receiving_from(const config& settings, std::string worker) {
  receiving how;
  how.worker = std::move(worker);
  how.wait = settings.duration("consumer_services.receive_wait_ms");
  return how;
}

std::string new_worker_name(const environment& env) {
  return "amc " + std::to_string(getpid()) + " " + to_string(uuid_v7_source(env.wall_clock, env.random)());
}

std::shared_ptr<http::caller> caller_for(const environment& env, const config& settings, const std::string& url,
                                         std::size_t texts_max_bytes) {
  http::client_options options;
  options.url = url;
  options.ca_file = settings.text("consumer_services.broker_client.ca_file");
  options.certificate_file = settings.text("consumer_services.broker_client.certificate_file");
  options.key_file = settings.text("consumer_services.broker_client.key_file");
  options.answer_max_bytes = std::max(options.answer_max_bytes, http::answer_bytes_for(texts_max_bytes));
  auto client = http::make_client(env, options);
  return access::with_token(env, std::move(client), settings.text("consumer_services.broker_client.token_file"));
}

}  // namespace amc::service
