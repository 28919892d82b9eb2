#include "app/foundation.hpp"

#include "broker/configuration.hpp"
#include "message_store/stores.hpp"
#include "queue_system/platforms.hpp"

namespace amc::app {

foundation make_foundation(const environment& env, const config& settings) {
  return make_foundation(env, settings, message_store::open_store(settings));
}

foundation make_foundation(const environment& env, const config& settings, opened_store store) {
  foundation base;
  base.settings = std::make_shared<config_in_force>(settings);
  base.routes = std::make_shared<broker::router>(settings);
  const auto bounds = message_store::limits_from(settings, broker::message_max_bytes(settings));
  base.platform = queue_system::make_platform(settings);
  base.store = std::make_shared<message_store::shared_store>(env, std::move(store), bounds);
  base.seen = std::make_shared<broker::activity>(env.timers, *env.metrics, broker::activity_options_from(settings));
  base.publisher = std::make_shared<queue_system::publisher>(env, *base.platform);
  return base;
}

std::unique_ptr<broker::parts> make_parts(const environment& env, const foundation& base, const config& settings) {
  auto options = broker::parts_options_from(settings);
  options.engine_is_heard = base.engine_is_heard;
  options.verbs.traces = base.traces;
  return std::make_unique<broker::parts>(env, message_store::async_store(env, base.store), base.publisher, base.routes,
                                         uuid_v7_source(env.wall_clock, env.random), options, base.seen);
}

}  // namespace amc::app
