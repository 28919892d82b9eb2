#include "queue_system/platforms.hpp"

#include <algorithm>

#include "core/invariant.hpp"
#include "queue_system/embedded/embedded.hpp"
#include "queue_system/rabbitmq/rabbitmq.hpp"
#ifdef AMC_HAS_NATS
#include "queue_system/nats/nats.hpp"
#endif
#ifdef AMC_HAS_REDIS
#include "queue_system/redis/redis.hpp"
#endif

namespace amc::queue_system {
namespace {

struct registration {
  std::string name;
  std::vector<config_key> keys;
  std::shared_ptr<platform> (*make)(const config& settings);
  std::string library;  ///< that it is made with: "rabbitmq-c 0.11.0"
};

/// What is built in. A driver whose library may be absent is between #ifdef and #endif.
const std::vector<registration>& registrations() {
  static const std::vector<registration> all{
      {"embedded", {}, [](const config&) { return make_embedded(); }, ""},
      {"rabbitmq", rabbitmq_keys(),
       [](const config& settings) { return make_rabbitmq(rabbitmq_options_from(settings)); }, rabbitmq_library()},
#ifdef AMC_HAS_NATS
      {"nats", nats_keys(), [](const config& settings) { return make_nats(nats_options_from(settings)); },
       nats_library()},
#endif
#ifdef AMC_HAS_REDIS
      {"redis", redis_keys(), [](const config& settings) { return make_redis(redis_options_from(settings)); },
       redis_library()},
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

std::string library_of(const std::string& engine) {
  for (const auto& each : registrations())
    if (each.name == engine) return each.library;
  return "";
}

std::shared_ptr<platform> make_platform(const config& settings) {
  const auto name = settings.text("queue_system.platform");
  const auto& all = registrations();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& engine) { return engine.name == name; });
  ensure(found != all.end(), "the configuration chooses one of the engines");
  return found->make(settings);
}

}  // namespace amc::queue_system
