#include "queue_system/platforms.hpp"

#include <algorithm>
#include <map>

#include "core/invariant.hpp"
#include "queue_system/embedded/embedded.hpp"
#include "queue_system/rabbitmq/rabbitmq.hpp"

namespace amc::queue_system {
namespace {

struct registration {
  std::string name;
  std::vector<config_key> keys;
  std::shared_ptr<platform> (*make)(const config& settings);
};

std::vector<config_key> rabbitmq_keys() {
  return {
      {.path = "queue_system.rabbitmq.url",
       .kind = config_key::type::url,
       .default_yaml = "amqp://guest:guest@127.0.0.1:5672",
       .help = "the server: amqp:// or amqps://USER:PASSWORD@HOST:PORT/VHOST"},
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

std::shared_ptr<platform> make_rabbitmq_as_configured(const config& settings) {
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
  options.publish_window = static_cast<std::size_t>(settings.integer("queue_system.rabbitmq.publish_window"));
  options.ca_file = settings.text("queue_system.rabbitmq.ca_file");
  options.verify = settings.boolean("queue_system.rabbitmq.verify");
  return make_rabbitmq(std::move(options));
}

const std::vector<registration>& registrations() {
  static const std::vector<registration> all{
      {"embedded", {}, [](const config&) { return make_embedded(); }},
      {"rabbitmq", rabbitmq_keys(), make_rabbitmq_as_configured},
  };
  return all;
}

}  // namespace

config_provider provider() {
  config_key choice{.path = "queue_system.platform",
                    .default_yaml = "embedded",
                    .help = "the queue engine; embedded lives inside the process and needs no server"};
  config_provider all{"queue_system", {}};
  for (const auto& engine : registrations()) choice.choices.push_back(engine.name);
  all.keys.push_back(choice);
  all.keys.push_back({.path = "queue_system.prefix",
                      .default_yaml = "''",
                      .help = "begins the name of every queue, so that several systems can share one server"});
  for (const auto& engine : registrations()) all.keys.insert(all.keys.end(), engine.keys.begin(), engine.keys.end());
  return all;
}

std::shared_ptr<platform> make_platform(const config& settings) {
  const auto name = settings.text("queue_system.platform");
  const auto& all = registrations();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& engine) { return engine.name == name; });
  ensure(found != all.end(), "the configuration chooses one of the engines");
  return found->make(settings);
}

}  // namespace amc::queue_system
