#include "app/broker_server.hpp"

#include "access/configuration.hpp"
#include "access/exposure.hpp"
#include "api/configuration.hpp"
#include "consumer_services/in_process_broker_client.hpp"
#include "core/log.hpp"

namespace amc::app {

broker_server::broker_server(const environment& env, const foundation& base, const config& settings)
    : executor_(env.executor),
      engine_is_empty_(base.platform->capabilities().empty_at_start),
      drain_timeout_(settings.duration("broker.drain_timeout_ms")),
      identity_(access::identity_from(env, settings)),
      certificates_(api::certificates_from(env, settings)),
      parts_(make_parts(env, base, settings)),
      waiters_(std::make_shared<broker::waiters>(env, message_store::async_store(env, base.store),
                                                 api::waiters_options_from(settings))),
      receivers_(std::make_shared<broker::receivers>(
          env, message_store::async_store(env, base.store), parts_->messages(),
          base.engine_is_heard ? base.platform.get() : nullptr, api::receivers_options_from(settings))),
      retries_(std::make_shared<broker::mass_retry>(
          env, parts_->messages(), broker::mass_retry_options{settings.size("broker.retries_per_second")})),
      purges_(std::make_shared<broker::mass_cancel>(env, parts_->messages())),
      counting_(env, parts_->messages(), settings.duration("broker.activity.counted_ms")),
      api_(env, parts_->messages(), waiters_, receivers_, retries_, purges_, api_options(settings, base), identity_),
      server_(make_server(env, api::server_options_from(settings), api::listener::http)) {
  if (auto options = api::admin_options_from(settings))
    admin_ = make_server(env, std::move(*options), api::listener::admin);
}

api::api_options broker_server::api_options(const config& settings, const foundation& base) {
  auto options = api::api_options_from(settings);
  options.settings = base.settings;
  options.refuses_forwarded = access::refuses_forwarded(settings);
  options.of_each = access::quota_from(settings);
  options.quota_refusal_delay = settings.duration("broker.access.quota.refusal_delay_ms");
  return options;
}

std::unique_ptr<http::server> broker_server::make_server(const environment& env, http::server_options options,
                                                         api::listener at) {
  const bool others_reach_it = !access::is_loopback(options.address);
  options.certificates = certificates_;
  if (identity_)
    options.doorkeeper = [this](const http::request& without_body, const http::peer& from) {
      return api_.refuses_unread(without_body, from);
    };
  auto made = std::make_unique<http::server>(
      env, std::move(options), [this, at](http::request& asked) { return api_.handle(asked, at); },
      api::http_api::fault);
  if (!identity_ && others_reach_it)
    log::warning("access", "broker.access.open: whoever reaches " + made->url() + " may do everything");
  return made;
}

std::shared_ptr<service::receiving_client> broker_server::client_in_process() const {
  if (identity_) return nullptr;
  return consumer_services::make_in_process_broker_client(executor_, parts_->messages(), receivers_);
}

void broker_server::run() {
  parts_->run(engine_is_empty_);
  counting_.run();
  if (identity_) identity_->run();
  if (certificates_) certificates_->run();
  server_->run();
  log::info("broker", "listening on " + url());
  if (!admin_) return;
  admin_->run();
  log::info("broker", "listening (broker.admin) on " + admin_->url());
}

/// Both listeners, within one drain_timeout.
task<void> broker_server::stop_listening() {
  task_group stopping(executor_);
  stopping.spawn(server_->stop(drain_timeout_));
  if (admin_) stopping.spawn(admin_->stop(drain_timeout_));
  co_await stopping.drain();
}

task<void> broker_server::stop() {
  waiters_->send_home();
  receivers_->send_home();
  co_await stop_listening();
  if (identity_) co_await identity_->stop();
  if (certificates_) co_await certificates_->stop();
  co_await waiters_->stop();
  co_await receivers_->stop();
  co_await retries_->stop();
  co_await purges_->stop();
  co_await counting_.stop();
  co_await parts_->stop();
}

}  // namespace amc::app
