#include <hiredis.h>

#include "queue_system/redis/redis.hpp"
#include "queue_system/registration.hpp"

namespace amc::queue_system {
namespace {

std::vector<config_key> keys() {
  return {
      {.path = "queue_system.redis.url",
       .kind = config_key::type::url,
       .default_yaml = "redis://127.0.0.1:6379",
       .help = "the server, Redis or Valkey: redis://USER:PASSWORD@HOST:PORT/DATABASE"},
      number_key("queue_system.redis.connect_timeout_ms", "5000", "for one attempt to connect and log in", 100,
                 600'000),
      number_key("queue_system.redis.answer_timeout_ms", "10000", "for one call; then the connection is given up", 100,
                 600'000),
      number_key("queue_system.redis.claim_ms", "10000",
                 "what a process held that has died or hangs is delivered again after so long", 1'000, 86'400'000),
      number_key("queue_system.redis.publish_window", "1000", "events published and not confirmed yet", 1, 100'000),
  };
}

}  // namespace

redis_options redis_options_from(const config& settings) {
  redis_options options;
  options.url = settings.text("queue_system.redis.url");
  options.prefix = settings.text("queue_system.prefix");
  options.connect_timeout = settings.duration("queue_system.redis.connect_timeout_ms");
  options.answer_timeout = settings.duration("queue_system.redis.answer_timeout_ms");
  options.claim = settings.duration("queue_system.redis.claim_ms");
  options.publish_window = settings.size("queue_system.redis.publish_window");
  return options;
}

std::string redis_library() {
  return "hiredis " + std::to_string(HIREDIS_MAJOR) + "." + std::to_string(HIREDIS_MINOR) + "." +
         std::to_string(HIREDIS_PATCH);
}

registration redis_engine() {
  return {"redis", keys(), [](const config& settings) { return make_redis(redis_options_from(settings)); },
          redis_library()};
}

}  // namespace amc::queue_system
