#include "queue_system/platforms.hpp"

#include <algorithm>

#include "core/invariant.hpp"
#include "queue_system/embedded/embedded.hpp"
#include "queue_system/rabbitmq/rabbitmq.hpp"
#ifdef AMC_WITH_KAFKA
#include "queue_system/kafka/kafka.hpp"
#endif

namespace amc::queue_system {
namespace {

struct registration {
  std::string name;
  std::vector<config_key> keys;
  std::shared_ptr<platform> (*make)(const config& settings);
};

const std::vector<registration>& registrations() {
  static const std::vector<registration> all{
      {"embedded", {}, [](const config&) { return make_embedded(); }},
      {"rabbitmq", rabbitmq_keys(),
       [](const config& settings) { return make_rabbitmq(rabbitmq_options_from(settings)); }},
#ifdef AMC_WITH_KAFKA
      {"kafka", kafka_keys(), [](const config& settings) { return make_kafka(kafka_options_from(settings)); }},
#endif
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
