#include "consumer_services/services.hpp"

#include <random>

#include "core/log.hpp"
#include "core/text.hpp"

namespace amc::consumer_services {
namespace {

void log_step(const char* service, const claimed_revision& work, const std::string& received, const std::string& sent,
              const char* where) {
  if (!log::enabled(log::level::debug)) return;
  log::debug(service, "Received \"" + received + "\", sending \"" + sent + "\" " + where + ".",
             log::about{work.id, work.revision});
}

}  // namespace

config_provider provider() {
  return {
      "consumer_services",
      {
          {.path = "consumer_services.broker_client.url",
           .kind = config_key::type::url,
           .default_yaml = "http://127.0.0.1:4000",
           .help = "where services and the requester find the broker: http:// or https://"},
          {.path = "consumer_services.broker_client.ca_file",
           .default_yaml = "\"\"",
           .help = "with an https URL: the authorities, in PEM, of which one must have signed the broker's certificate. "
                   "Empty: those that the machine knows"},
          {.path = "consumer_services.broker_client.token_file",
           .default_yaml = "\"\"",
           .help = "the file whose first line is the token to send, as \"amc token new\" prints it; read again when it "
                   "changes. Empty: none is sent"},
          number_key("consumer_services.broker_client.timeout_ms", "6000", "for one request to the broker"),
          {.path = "consumer_services.receive_via",
           .default_yaml = "\"\"",
           .help = "how services get their work: \"engine\", from the queue engine's events; \"broker\", from "
                   "POST /queues/{queue}/receive; empty: from the engine where it reaches other processes, otherwise "
                   "from the broker"},
          number_key("consumer_services.receive_wait_ms", "20000",
                     "how long a service's request for work may be parked at the broker; whole seconds count", 1'000,
                     3'600'000),
          {.path = "consumer_services.name_provider.names",
           .kind = config_key::type::texts,
           .default_yaml = "[Joao, Bram, Gabriel, Fehim, Eni, Patrick, Micha, Mirzet, Liliana, Sebastien]",
           .help = "the names that ServiceA picks from"},
          number_key("consumer_services.concurrency", "64", "messages that one service has in hand at once", 1, 1'000),
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
          number_key("consumer_services.requester.timeout_ms", "10000", "how long the requester waits for its answer"),
          number_key("consumer_services.requester.poll_interval_ms", "50",
                     "between two looks, at a broker that does not know \"Prefer: wait\""),
          {.path = "consumer_services.requester.answer_pattern",
           .default_yaml = R"('^Hi, .+?\. Bye!$')",
           .help = "what a finished answer looks like, to a broker that tells no status"},
      }};
}

bool receives_from_broker(const config& settings, bool engine_is_in_process) {
  constexpr const char* key = "consumer_services.receive_via";
  const auto told = settings.text(key);
  if (told != "" && told != "engine" && told != "broker")
    throw settings.complaint(key, "say engine, or broker, or nothing at all");
  return told == "broker" || (told.empty() && engine_is_in_process);
}

service_definition service_a(name_provider next_name) {
  service_definition service;
  service.name = "ServiceA";
  service.queue = "topic-a";
  service.blocking = false;
  service.handler = [next_name = std::move(next_name)](const claimed_revision& work) {
    const std::string received(trimmed(work.text));
    auto sent = received + " " + next_name() + ".";
    log_step("ServiceA", work, received, sent, "back to API");
    return sent;
  };
  return service;
}

service_definition service_b() {
  service_definition service;
  service.name = "ServiceB";
  service.queue = "topic-b";
  service.blocking = false;
  service.on_the_store = true;
  service.handler = [](const claimed_revision& work) {
    const std::string received(trimmed(work.text));
    auto sent = received + " Bye!";
    log_step("ServiceB", work, received, sent, "to the store");
    return sent;
  };
  return service;
}

service_definition configured_service_a(const config& settings) {
  auto names = settings.texts("consumer_services.name_provider.names");
  if (names.empty()) throw settings.complaint("consumer_services.name_provider.names", "give at least one name");
  return service_a(random_names(std::move(names), std::random_device{}()));
}

}  // namespace amc::consumer_services
