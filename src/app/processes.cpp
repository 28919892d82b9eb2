#include "app/processes.hpp"

#include <future>

#include "access/configuration.hpp"
#include "api/configuration.hpp"
#include "app/running.hpp"
#include "broker/configuration.hpp"
#include "consumer_services/services.hpp"
#include "core/log.hpp"
#include "core/patience.hpp"
#include "core/standard_streams.hpp"
#include "core/stop_request.hpp"
#include "message_store/stores.hpp"
#include "queue_system/platforms.hpp"
#include "service/configuration.hpp"
#include "telemetry/configuration.hpp"

namespace amc::app {
namespace {

using namespace consumer_services;

/// Whose spans those are that a broker tells, or whatever else works on the store.
constexpr const char* broker_name = "amc-broker";

/// How long services may finish what they have in hand: not at all when the store cannot take it any more.
milliseconds drain_time(const config& settings, int exit_code) {
  return exit_code == 0 ? settings.duration("consumer_services.drain_timeout_ms") : milliseconds(0);
}

std::string engine_name(const config& settings) {
  const auto name = settings.text("queue_system.platform");
  return "the queue engine, " + name + " (queue_system." + name + ")";
}

foundation patient_foundation(stop_request& stop, loop& on, const config& settings) {
  std::optional<foundation> base;
  patiently(stop, settings, "the store, " + message_store::store_name(settings),
            [&] { base = make_foundation(on.env(), settings); });
  return *std::move(base);
}

/// What works on the store itself opens it beside the broker.
foundation foundation_beside_the_broker(stop_request& stop, loop& on, const config& settings, const std::string& who) {
  try {
    return patient_foundation(stop, on, settings);
  } catch (const config_error&) {
    throw;
  } catch (const startup_error& failed) {
    throw startup_error(failed.what() + ("; " + who) +
                        " works on the store itself where it receives from the engine: with "
                        "consumer_services.receive_via=broker it needs none of its own");
  }
}

/// A broker does not wait for the queue engine: what it accepts is rung when the engine is there.
void look_for_engine(platform& engine, const config& settings, std::span<const std::string> published,
                     std::span<const std::string> received) {
  try {
    engine.check(published, received);
  } catch (const unavailable& failed) {
    if (failed.why() == unavailable::reason::refused)
      throw startup_error(failed.what() + std::string("; check ") + engine_name(settings));
    log::warning("broker", "starts without " + engine_name(settings) + ": " + failed.what());
  }
}

/// Runs a process until it is told to stop, also while it still starts.
int until_stopped(const std::function<int(stop_request& stop)>& work) {
  stop_request stop;
  try {
    return work(stop);
  } catch (const stop_request::requested& meanwhile) {
    return meanwhile.exit_code;
  }
}

void stop_when_broken(message_store::shared_store& store, stop_request& stop) {
  store.when_broken(stop.executor(), [&stop](const std::string& why) {
    log::critical("store", "cannot go on safely, stopping: " + why);
    stop.fail();
  });
}

}  // namespace

std::vector<config_provider> providers() {
  return {startup_provider(),       log::provider(),          message_store::provider(),
          broker::provider(),       access::provider(),       api::provider(),
          queue_system::provider(), amc::service::provider(), consumer_services::provider(),
          telemetry::provider()};
}

int broker_process(const config& settings, reread read) {
  check_listener(settings);
  return until_stopped([&](stop_request& stop) {
    loop main("broker");
    telemetry::traces traces(settings, main.env().metrics);
    auto base = patient_foundation(stop, main, settings);
    base.traces = traces.of(broker_name);
    stop_when_broken(*base.store, stop);
    look_for_engine(*base.platform, settings, base.routes->queues(), {});
    base.engine_is_heard = !base.platform->capabilities().in_process;
    running_broker broker(main, settings, base);
    stop.when_asked_to_reload(reloading(settings, std::move(read), base.routes, base.settings));
    if (!base.engine_is_heard)
      log::info("broker", "the " + settings.text("queue_system.platform") +
                              " queue reaches no other process: services receive over HTTP "
                              "(POST /queues/{queue}/receive)");
    const int exit_code = stop.wait();
    broker.stop();
    traces.stop();
    return exit_code;
  });
}

int service_process(const config& settings, consumer_services::example_service service, reread read) {
  const auto engine = queue_system::make_platform(settings);
  const bool in_process = engine->capabilities().in_process;
  const bool receives = receives_from_broker(settings, in_process);
  if (in_process && !receives)
    throw config_error(settings.at("consumer_services.receive_via").origin + ": consumer_services.receive_via: the " +
                       settings.text("queue_system.platform") + " queue cannot reach " + service.what.name +
                       " in a process of its own; say broker, or set another queue_system.platform, or run everything "
                       "in one process with \"amc all\"");
  return until_stopped([&](stop_request& stop) {
    loop main("service");
    telemetry::traces traces(settings, main.env().metrics);
    workplace at;
    at.traces = &traces;
    at.broker_url = settings.text("consumer_services.broker_client.url");
    at.worker = amc::service::new_worker_name(main.env());
    std::optional<foundation> base;
    if (service.on_the_store && !receives) {
      base = foundation_beside_the_broker(stop, main, settings, service.what.name);
      base->traces = traces.of(broker_name);
      stop_when_broken(*base->store, stop);
      stop.when_asked_to_reload(reloading(settings, std::move(read), base->routes, base->settings));
    } else {
      amc::service::wait_for_broker(stop, main, settings, *client_for(main.env(), settings, at.broker_url));
    }
    const amc::service::running_numbers numbers(main, settings);
    if (!receives) {
      // What works on the store sweeps it, too.
      const auto published = base ? base->routes->queues() : std::vector<std::string>();
      const std::vector<std::string> received{service.what.queue};
      patiently(stop, settings, engine_name(settings), [&] { engine->check(published, received); });
      at.engine = base ? base->platform.get() : engine.get();
      at.base = base ? &*base : nullptr;
    }
    running_service running(main, settings, std::move(service), at);
    const int exit_code = stop.wait();
    const bool finished = running.stop(drain_time(settings, exit_code));
    traces.stop();
    amc::service::end_or_exit(finished, exit_code);
    return exit_code;
  });
}

int all_process(const config& settings, reread read,
                const std::function<std::optional<int>(const std::string& url)>& meanwhile) {
  check_listener(settings);
  auto definition_a = configured_service_a(settings);  // may complain: before anything runs
  auto definition_b = service_b();
  return until_stopped([&](stop_request& stop) {
    loop broker_loop("broker");
    loop services_loop("services", broker_loop.env().metrics);
    telemetry::traces traces(settings, broker_loop.env().metrics);
    auto base = patient_foundation(stop, broker_loop, settings);
    base.traces = traces.of(broker_name);
    stop_when_broken(*base.store, stop);
    const bool in_process = base.platform->capabilities().in_process;
    const bool receive = receives_from_broker(settings, in_process);
    const auto received =
        receive ? std::vector<std::string>() : std::vector{definition_a.what.queue, definition_b.what.queue};
    look_for_engine(*base.platform, settings, base.routes->queues(), received);
    base.engine_is_heard = !(receive && in_process);
    running_broker broker(broker_loop, settings, base);
    stop.when_asked_to_reload(reloading(settings, std::move(read), base.routes, base.settings));
    workplace at;
    // A certificate is for a name, which is not the address that was bound.
    const bool secure = !settings.text("broker.http.tls.certificate_file").empty();
    at.broker_url = secure ? settings.text("consumer_services.broker_client.url") : broker.url();
    at.worker = amc::service::new_worker_name(services_loop.env());
    at.traces = &traces;
    if (receive)
      at.broker = broker.client_in_process();
    else
      at.engine = base.platform.get(), at.base = &base;
    running_service a(services_loop, settings, std::move(definition_a), at);
    running_service b(services_loop, settings, std::move(definition_b), at);
    std::optional<int> exit_code;
    if (meanwhile) exit_code = meanwhile(broker.url());
    if (!exit_code) exit_code = stop.wait();
    // Together: what one cannot finish costs the other nothing.
    auto stopping_a = std::async(std::launch::async, [&] { return a.stop(drain_time(settings, *exit_code)); });
    const bool finished_b = b.stop(drain_time(settings, *exit_code));
    const bool finished_a = stopping_a.get();
    at.broker.reset();  // what it works on ends on the broker's thread
    broker.stop();
    traces.stop();
    amc::service::end_or_exit(finished_a && finished_b, *exit_code);
    return *exit_code;
  });
}

int migrate(const config& settings, bool only_plan) {
  return until_stopped([&](stop_request& stop) {
    message_store::migration done;
    patiently(stop, settings, "the store, " + message_store::store_name(settings),
              [&] { done = message_store::migrate_store(settings, only_plan); });
    auto told = message_store::store_name(settings) + "\nschema " + std::to_string(done.from);
    told += done.steps.empty() ? ": up to date\n"
                               : " -> " + std::to_string(done.to) + (only_plan ? " would take:\n" : ", done:\n");
    for (std::size_t i = 0; i < done.steps.size(); ++i)
      told += "  " + std::to_string(done.from + static_cast<int>(i) + 1) + "  " + done.steps[i] + "\n";
    print(told);
    return 0;
  });
}

}  // namespace amc::app
