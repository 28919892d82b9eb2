#include "app/foundation.hpp"

#include "message_store/stores.hpp"
#include "queue_system/platforms.hpp"

namespace amc::app {

foundation make_foundation(const environment& env, const config& settings) {
  foundation base;
  base.routes = std::make_shared<const broker::router>(settings);
  base.platform = queue_system::make_platform(settings);
  const message_store::async_store::limits bounds{static_cast<std::size_t>(settings.integer("broker.store.inbox_max")),
                                                  static_cast<std::size_t>(settings.integer("broker.store.batch_max"))};
  base.store = std::make_shared<message_store::async_store>(env, message_store::open_store(settings), bounds);
  base.publisher = std::make_shared<queue_system::publisher>(env, *base.platform);
  return base;
}

std::shared_ptr<broker::messages> make_messages(const environment& env, const foundation& base,
                                                const config& settings) {
  broker::messages_options options;
  options.purge.kept = settings.duration("broker.retention_ms");
  options.purge.dead_kept = settings.duration("broker.dead_retention_ms");
  options.purge.limit = static_cast<std::size_t>(settings.integer("broker.purge_max"));
  options.sweep_interval = settings.duration("broker.sweep_interval_ms");
  options.sweep_max = static_cast<std::size_t>(settings.integer("broker.sweep_max"));
  return std::make_shared<broker::messages>(env, base.store, base.publisher, base.routes,
                                            uuid_v7_source(env.wall_clock, env.random), options);
}

}  // namespace amc::app
