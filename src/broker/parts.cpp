#include "broker/parts.hpp"

#include "broker/configuration.hpp"

namespace amc::broker {

activity_options activity_options_from(const config& settings) {
  activity_options options;
  options.queues_max = settings.size("broker.queues_max");
  options.services_max = settings.size("broker.activity.services_max");
  options.points_max = settings.size("broker.activity.points_max");
  options.claims_max = settings.size("broker.activity.claims_max");
  return options;
}

parts_options parts_options_from(const config& settings) {
  parts_options options;
  options.verbs.text_max_bytes = message_max_bytes(settings);
  options.verbs.claims_max_bytes = settings.size("broker.claims_max_bytes");
  options.verbs.older_max = settings.size("broker.activity.older_max");
  options.seen = activity_options_from(settings);
  options.sweep.interval = settings.duration("broker.sweep_interval_ms");
  options.sweep.look_max = settings.size("broker.sweep_max");
  options.receiving_told = settings.duration("broker.receiving_told_ms");
  options.purge.interval = settings.duration("broker.purge_interval_ms");
  options.purge.what.kept = settings.duration("broker.retention_ms");
  options.purge.what.dead_kept = settings.duration("broker.dead_retention_ms");
  options.purge.what.limit = settings.size("broker.purge_max");
  return options;
}

parts::parts(const environment& env, message_store::async_store store, std::shared_ptr<queue_system::publisher> publish,
             std::shared_ptr<const router> routes, uuid_source new_id, const parts_options& options,
             std::shared_ptr<activity> seen)
    : seen_(seen ? std::move(seen) : std::make_shared<activity>(env.timers, *env.metrics, options.seen)),
      numbers_(std::make_shared<messages_metrics>(*env.metrics)),
      paused_(std::make_shared<pauses>(store)),
      rings_(std::make_shared<ringing>(env, publish, routes, numbers_, paused_, options.engine_is_heard)),
      messages_(std::make_shared<broker::messages>(env, store, rings_, numbers_, std::move(publish), std::move(routes),
                                                   std::move(new_id), seen_, paused_, options.verbs)),
      sweeper_(env, store, rings_, numbers_, seen_, paused_, options.sweep),
      purger_(env, store, options.purge),
      receiving_(env, store, seen_, options.receiving_told) {}

void parts::run(bool engine_is_empty) {
  sweeper_.run(engine_is_empty);
  purger_.run();
  receiving_.run();
}

task<void> parts::stop() {
  co_await sweeper_.stop();
  co_await purger_.stop();
  co_await receiving_.stop();
  co_await rings_->drain();
}

}  // namespace amc::broker
