#include <nats/nats.h>

#include "queue_system/nats/nats.hpp"
#include "queue_system/registration.hpp"

namespace amc::queue_system {
namespace {

std::vector<config_key> keys() {
  return {
      {.path = "queue_system.nats.url",
       .kind = config_key::type::url,
       .default_yaml = "nats://127.0.0.1:4222",
       .help = "the servers: nats:// or tls://USER:PASSWORD@HOST:PORT,HOST:PORT; or TOKEN@ instead of USER:PASSWORD@"},
      {.path = "queue_system.nats.storage",
       .default_yaml = "file",
       .help =
           "where a stream is made: file survives a restart of the server, memory does not; no message is lost with "
           "either",
       .choices = {"file", "memory"}},
      number_key("queue_system.nats.replicas", "1", "servers of a cluster that keep the stream which is made", 1, 5),
      number_key("queue_system.nats.connect_timeout_ms", "5000", "for one attempt to connect and log in", 100, 600'000),
      number_key("queue_system.nats.answer_timeout_ms", "10000",
                 "for one call, confirms included; then the connection is given up", 100, 600'000),
      number_key("queue_system.nats.heartbeat_ms", "20000", "a server that has missed two of these is dead", 100,
                 600'000),
      number_key("queue_system.nats.ack_wait_ms", "10000",
                 "what a process held that has died or hangs is delivered again after so long", 1'000, 86'400'000),
      number_key("queue_system.nats.publish_window", "1000", "events published and not confirmed yet", 1, 50'000),
      {.path = "queue_system.nats.ca_file",
       .default_yaml = "/etc/ssl/certs/ca-certificates.crt",
       .help = "PEM file of those who may sign the server's certificate (tls)"},
      {.path = "queue_system.nats.verify",
       .kind = config_key::type::boolean,
       .default_yaml = "true",
       .help = "whether the server's certificate and name are checked (tls)"},
  };
}

}  // namespace

nats_options nats_options_from(const config& settings) {
  nats_options options;
  options.url = settings.text("queue_system.nats.url");
  options.prefix = settings.text("queue_system.prefix");
  options.in_memory = settings.text("queue_system.nats.storage") == "memory";
  options.replicas = settings.size("queue_system.nats.replicas");
  options.connect_timeout = settings.duration("queue_system.nats.connect_timeout_ms");
  options.answer_timeout = settings.duration("queue_system.nats.answer_timeout_ms");
  options.heartbeat = settings.duration("queue_system.nats.heartbeat_ms");
  options.ack_wait = settings.duration("queue_system.nats.ack_wait_ms");
  options.publish_window = settings.size("queue_system.nats.publish_window");
  options.ca_file = settings.text("queue_system.nats.ca_file");
  options.verify = settings.boolean("queue_system.nats.verify");
  return options;
}

registration nats_engine() {
  return {"nats", keys(), [](const config& settings) { return make_nats(nats_options_from(settings)); },
          std::string("cnats ") + nats_GetVersion()};
}

}  // namespace amc::queue_system
