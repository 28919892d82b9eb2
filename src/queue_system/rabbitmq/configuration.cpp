#include <map>

#include "queue_system/rabbitmq/rabbitmq.hpp"
#include "queue_system/rabbitmq/rabbitmq_c.hpp"
#include "queue_system/registration.hpp"

namespace amc::queue_system {
namespace {

std::vector<config_key> keys() {
  return {
      {.path = "queue_system.rabbitmq.url",
       .kind = config_key::type::url,
       .default_yaml = "amqp://guest:guest@127.0.0.1:5672",
       .help = "the server, or the nodes of a cluster: amqp:// or amqps://USER:PASSWORD@HOST:PORT,HOST:PORT/VHOST"},
      {.path = "queue_system.rabbitmq.queue_type",
       .default_yaml = "quorum",
       .help = "what queues are made as: quorum and classic survive a restart of the server, transient does not and is "
               "the fastest, where the server permits it (RabbitMQ 4 may not); no message is lost with any of them",
       .choices = {"quorum", "classic", "transient"}},
      number_key("queue_system.rabbitmq.connect_timeout_ms", "5000", "for one attempt to connect and log in", 100,
                 600'000),
      number_key("queue_system.rabbitmq.answer_timeout_ms", "10000",
                 "for one call, confirms included; then the connection is given up", 100, 600'000),
      number_key("queue_system.rabbitmq.heartbeat_ms", "20000",
                 "a peer that was silent for two of these is dead; whole seconds count", 1'000, 600'000),
      number_key(
          "queue_system.rabbitmq.resubscribe_ms", "10000",
          "a subscriber that has heard nothing for so long subscribes anew: after a quorum queue was deleted, the "
          "server may have forgotten it without telling",
          100, 86'400'000),
      number_key("queue_system.rabbitmq.publish_window", "1000", "events published and not confirmed yet", 1, 100'000),
      {.path = "queue_system.rabbitmq.ca_file",
       .default_yaml = "/etc/ssl/certs/ca-certificates.crt",
       .help = "PEM file of those who may sign the server's certificate (amqps)"},
      {.path = "queue_system.rabbitmq.verify",
       .kind = config_key::type::boolean,
       .default_yaml = "true",
       .help = "whether the server's certificate and name are checked (amqps)"},
  };
}

}  // namespace

rabbitmq_options rabbitmq_options_from(const config& settings) {
  rabbitmq_options options;
  options.url = settings.text("queue_system.rabbitmq.url");
  options.prefix = settings.text("queue_system.prefix");
  using queue_type = rabbitmq_options::queue_type;
  static const std::map<std::string, queue_type> types{
      {"quorum", queue_type::quorum}, {"classic", queue_type::classic}, {"transient", queue_type::transient}};
  options.type = types.at(settings.text("queue_system.rabbitmq.queue_type"));
  options.connect_timeout = settings.duration("queue_system.rabbitmq.connect_timeout_ms");
  options.answer_timeout = settings.duration("queue_system.rabbitmq.answer_timeout_ms");
  options.heartbeat = settings.duration("queue_system.rabbitmq.heartbeat_ms");
  options.resubscribe = settings.duration("queue_system.rabbitmq.resubscribe_ms");
  options.publish_window = settings.size("queue_system.rabbitmq.publish_window");
  options.ca_file = settings.text("queue_system.rabbitmq.ca_file");
  options.verify = settings.boolean("queue_system.rabbitmq.verify");
  return options;
}

registration rabbitmq_engine() {
  return {"rabbitmq", keys(), [](const config& settings) { return make_rabbitmq(rabbitmq_options_from(settings)); },
          std::string("rabbitmq-c ") + amqp_version()};
}

}  // namespace amc::queue_system
