#include "app/processes.hpp"

#include <boost/asio/thread_pool.hpp>
#include <cstdlib>

#include "app/loop.hpp"
#include "app/stop_request.hpp"
#include "broker/broker.hpp"
#include "consumer_services/service_runtime.hpp"
#include "consumer_services/services.hpp"
#include "core/log.hpp"
#include "queue_system/platforms.hpp"

namespace amc::app {
namespace {

using namespace consumer_services;

std::shared_ptr<http::caller> client_for(const environment& env, const std::string& url) {
  http::client_options options;
  options.url = url;
  return http::make_client(env, options);
}

/// One service and what it stands on, on a loop's thread.
class running_service {
 public:
  /// `base` is there where the service works on the store.
  running_service(loop& on, const config& settings, service_definition service, platform& engine,
                  const broker::foundation* base, const std::string& broker_url)
      : loop_(on) {
    runtime_options options;
    options.concurrency = static_cast<std::size_t>(settings.integer("consumer_services.concurrency"));
    options.drain_timeout = settings.duration("consumer_services.drain_timeout_ms");
    if (service.blocking) handlers_ = std::make_unique<boost::asio::thread_pool>(options.concurrency);
    loop_.run([&] {
      std::shared_ptr<broker_client> client;
      if (service.on_the_store) {
        messages_ = broker::make_messages(loop_.env(), *base, settings);
        messages_->run(false);
        client = make_direct_broker_client(messages_);
      } else {
        client = make_http_broker_client(client_for(loop_.env(), broker_url),
                                         settings.duration("consumer_services.broker_client.timeout_ms"));
      }
      auto handlers = handlers_ ? boost::asio::any_io_executor(handlers_->get_executor()) : loop_.executor();
      runtime_ = std::make_unique<service_runtime>(loop_.env(), std::move(service), std::move(client), engine,
                                                   std::move(handlers), options);
      runtime_->run();
    });
  }

  void stop() {
    if (!loop_.run(runtime_->stop())) {
      log::warning("amc", "a handler does not end; ending without it");
      std::_Exit(0);  // everything that counts is in the store
    }
    if (messages_) loop_.run(messages_->stop());
    loop_.run([&] {
      runtime_.reset();
      messages_.reset();
    });
  }

 private:
  loop& loop_;
  std::unique_ptr<boost::asio::thread_pool> handlers_;
  std::shared_ptr<broker::messages> messages_;
  std::unique_ptr<service_runtime> runtime_;
};

/// The broker on a loop's thread.
class running_broker {
 public:
  running_broker(loop& on, const config& settings, const broker::foundation& base) : loop_(on) {
    loop_.run([&] {
      broker_ = std::make_unique<broker::broker>(loop_.env(), base, settings);
      broker_->run();
    });
  }

  std::string url() const { return broker_->url(); }

  void stop() {
    loop_.run(broker_->stop());
    loop_.run([&] { broker_.reset(); });
  }

 private:
  loop& loop_;
  std::unique_ptr<broker::broker> broker_;
};

void stop_when_broken(broker::async_store& store, stop_request& stop) {
  store.when_broken(stop.executor(), [&stop] {
    log::critical("store", "the disk failed to sync; stopping, so that a restart recovers what is on it");
    stop.fail();
  });
}

}  // namespace

std::vector<config_provider> providers() {
  return {log::provider(), broker::provider(), queue_system::provider(), consumer_services::provider()};
}

int broker_process(const config& settings) {
  stop_request stop;
  loop main("broker");
  const auto base = broker::make_foundation(main.env().start_worker, settings);
  stop_when_broken(*base.store, stop);
  running_broker broker(main, settings, base);
  if (base.platform->capabilities().in_process)
    log::warning("broker", "the " + settings.text("queue_system.platform") +
                               " queue reaches no other process: for services beside this broker, run \"amc all\" or "
                               "set queue_system.platform");
  const int exit_code = stop.wait();
  broker.stop();
  return exit_code;
}

int service_process(const config& settings, service_definition service) {
  const auto engine = queue_system::make_platform(settings);
  if (engine->capabilities().in_process)
    throw config_error(
        settings.at("queue_system.platform").origin + ": queue_system.platform: the " +
        settings.text("queue_system.platform") + " queue cannot reach " + service.name +
        " in a process of its own; set another platform, or run everything in one process with \"amc all\"");
  stop_request stop;
  loop main("service");
  std::optional<broker::foundation> base;
  if (service.on_the_store) {
    base = broker::make_foundation(main.env().start_worker, settings);
    stop_when_broken(*base->store, stop);
  }
  running_service running(main, settings, std::move(service), base ? *base->platform : *engine, base ? &*base : nullptr,
                          settings.text("consumer_services.broker_client.url"));
  const int exit_code = stop.wait();
  running.stop();
  return exit_code;
}

int all_process(const config& settings, const std::function<std::optional<int>(const std::string& url)>& meanwhile) {
  auto definition_a = configured_service_a(settings);  // may complain: before anything runs
  stop_request stop;
  loop broker_loop("broker");
  loop services_loop("services");
  const auto base = broker::make_foundation(broker_loop.env().start_worker, settings);
  stop_when_broken(*base.store, stop);
  running_broker broker(broker_loop, settings, base);
  running_service a(services_loop, settings, std::move(definition_a), *base.platform, &base, broker.url());
  running_service b(services_loop, settings, service_b(), *base.platform, &base, broker.url());
  std::optional<int> exit_code;
  if (meanwhile) exit_code = meanwhile(broker.url());
  if (!exit_code) exit_code = stop.wait();
  a.stop();
  b.stop();
  broker.stop();
  return *exit_code;
}

conversation converse(const config& settings, const std::string& url, const std::string& text) {
  loop main("requester");
  requester_options options;
  options.timeout = settings.duration("consumer_services.requester.timeout_ms");
  options.poll_interval = settings.duration("consumer_services.requester.poll_interval_ms");
  options.answer_pattern = settings.text("consumer_services.requester.answer_pattern");
  auto client = client_for(main.env(), url);
  return main.run(request(main.env(), client, text, options));
}

}  // namespace amc::app
