#include "app/processes.hpp"

#include <boost/asio/thread_pool.hpp>
#include <cstdlib>

#include "api/configuration.hpp"
#include "app/broker_server.hpp"
#include "app/loop.hpp"
#include "app/standard_streams.hpp"
#include "app/stop_request.hpp"
#include "broker/configuration.hpp"
#include "consumer_services/direct_broker_client.hpp"
#include "consumer_services/services.hpp"
#include "core/back_off.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "message_store/stores.hpp"
#include "queue_system/platforms.hpp"
#include "service/service_runtime.hpp"

namespace amc::app {
namespace {

using namespace consumer_services;
using service::broker_client;
using service::company;
using service::runtime_options;
using service::service_runtime;

/// Handlers that do not end cannot be interrupted. Everything that counts is in the store, so the process ends anyway.
void end_or_exit(bool finished, int exit_code) {
  if (finished) return;
  log::warning("amc", "a handler does not end; ending without it");
  log::flush();
  std::_Exit(exit_code);
}

/// How long services may finish what they have in hand: not at all when the store cannot take it any more.
milliseconds drain_time(const config& settings, int exit_code) {
  return exit_code == 0 ? settings.duration("consumer_services.drain_timeout_ms") : milliseconds(0);
}

/// Calls `attempt` until it does not throw `unavailable`. Says what it waits for, and gives up when the start has taken
/// too long or waiting does not help.
template <class Attempt>
auto patiently(stop_request& stop, const config& settings, const std::string& what, const Attempt& attempt) {
  const auto longest = settings.duration("app.startup_timeout_ms");
  const auto deadline = std::chrono::steady_clock::now() + longest;
  back_off pause;
  for (bool told = false;;) {
    std::string why;
    try {
      return attempt();
    } catch (const unavailable& failed) {
      why = failed.what();
      if (failed.why() == unavailable::reason::refused) throw startup_error(why + "; check " + what);
    }
    if (std::chrono::steady_clock::now() >= deadline)
      throw startup_error("gave up after waiting " + std::to_string(longest.count()) +
                          " ms (app.startup_timeout_ms) for " + what + ": " + why);
    if (!std::exchange(told, true)) log::warning("amc", "waits for " + what + ": " + why);
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    stop.pause(std::clamp(pause.next(), milliseconds(1), std::max(left, milliseconds(1))));
  }
}

std::string engine_name(const config& settings) {
  const auto name = settings.text("queue_system.platform");
  return "the queue engine, " + name + " (queue_system." + name + ")";
}

foundation patient_foundation(stop_request& stop, loop& on, const config& settings) {
  return patiently(stop, settings, "the store, " + message_store::store_name(settings),
                   [&] { return make_foundation(on.env(), settings); });
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

void wait_for_broker(stop_request& stop, loop& on, const config& settings, const std::string& url) {
  const auto timeout = settings.duration("consumer_services.broker_client.timeout_ms");
  const auto client = client_for(on.env(), settings, url);
  const auto ask = [&] {
    http::request asked{"GET", "/healthz"};
    const auto reply = on.run(client->send(std::move(asked), timeout));
    if (reply.status != 200)  // a proxy, or somebody else
      throw unavailable(unavailable::reason::away, "GET /healthz was answered " + std::to_string(reply.status));
  };
  patiently(stop, settings, "the broker at " + mask_url(url) + " (consumer_services.broker_client.url)", ask);
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

/// The numbers of a process that has no API of its own, where that is configured.
class running_numbers {
 public:
  running_numbers(loop& on, const config& settings) : loop_(on) {
    if (!settings.boolean("consumer_services.http.enabled")) return;
    auto options = api::server_options_from(settings);
    options.address_keys = "consumer_services.http";
    options.address = settings.text("consumer_services.http.address");
    options.port = static_cast<std::uint16_t>(settings.integer("consumer_services.http.port"));
    loop_.run([&] {
      server_ = std::make_unique<http::server>(
          loop_.env(), options, [this](const http::request& asked) { return answer(asked); }, api::http_api::fault);
      server_->run();
    });
    log::info("amc", "reports its metrics at " + server_->url() + "/metrics");
  }

  ~running_numbers() {
    if (!server_) return;
    loop_.run(server_->stop(milliseconds(1'000)));
    loop_.run([&] { server_.reset(); });
  }

 private:
  task<http::response> answer(const http::request& asked) {
    http::response reply{200, {{"Content-Type", metrics::content_type}}, {}};
    if (asked.path() == "/metrics")
      reply.body = loop_.env().metrics->text();
    else if (asked.path() == "/healthz")
      reply = {200, {{"Content-Type", "application/json"}}, R"({"status":"ok"})"};
    else
      reply = api::http_api::fault(404, "There are /metrics and /healthz here.", asked.target);
    co_return reply;
  }

  loop& loop_;
  std::unique_ptr<http::server> server_;
};

/// One service and what it stands on, on a loop's thread.
class running_service {
 public:
  /// `base` is there where the service works on the store.
  running_service(loop& on, const config& settings, service_definition service, platform& engine,
                  const foundation* base, const std::string& broker_url, std::shared_ptr<company> with)
      : loop_(on) {
    runtime_options options;
    options.company = std::move(with);
    // A broker takes no more claims than this in one request.
    options.concurrency =
        std::min(settings.size("consumer_services.concurrency"), settings.size("broker.http.claims_max"));
    options.in_hand_max_bytes = settings.size("consumer_services.in_hand_max_bytes");
    options.handler_timeout = settings.duration("consumer_services.handler_timeout_ms");
    if (service.blocking) handlers_ = std::make_unique<boost::asio::thread_pool>(options.concurrency);
    try {
      loop_.run([&] { start(settings, std::move(service), engine, base, broker_url, options); });
    } catch (...) {
      // What runs already must end before it is destroyed.
      if (parts_) loop_.run(parts_->stop());
      throw;
    }
  }

  ~running_service() {
    if (runtime_) end_or_exit(stop(milliseconds(0)), 1);
  }

  /// False when a handler is still running after `longest`: then the process must end without destroying this.
  bool stop(milliseconds longest) {
    if (!loop_.run(runtime_->stop(longest))) return false;
    if (parts_) loop_.run(parts_->stop());
    loop_.run([&] {
      runtime_.reset();
      parts_.reset();
    });
    return true;
  }

 private:
  void start(const config& settings, service_definition service, platform& engine, const foundation* base,
             const std::string& broker_url, const runtime_options& options) {
    std::shared_ptr<broker_client> client;
    if (service.on_the_store) {
      parts_ = make_parts(loop_.env(), *base, settings);
      parts_->run(false);
      client = make_direct_broker_client(parts_->messages());
    } else {
      client = service::make_http_broker_client(client_for(loop_.env(), settings, broker_url),
                                                settings.duration("consumer_services.broker_client.timeout_ms"));
    }
    auto handlers = handlers_ ? boost::asio::any_io_executor(handlers_->get_executor()) : loop_.executor();
    runtime_ = std::make_unique<service_runtime>(loop_.env(), std::move(service), std::move(client), engine,
                                                 std::move(handlers), options);
    runtime_->run();
  }

  loop& loop_;
  std::unique_ptr<boost::asio::thread_pool> handlers_;
  std::unique_ptr<broker::parts> parts_;
  std::unique_ptr<service_runtime> runtime_;
};

/// The broker on a loop's thread.
class running_broker {
 public:
  running_broker(loop& on, const config& settings, const foundation& base) : loop_(on) {
    loop_.run([&] {
      broker_ = std::make_unique<broker_server>(loop_.env(), base, settings);
      broker_->run();
    });
  }

  std::string url() const { return broker_->url(); }

  ~running_broker() {
    if (broker_) stop();
  }

  void stop() {
    loop_.run(broker_->stop());
    loop_.run([&] { broker_.reset(); });
  }

 private:
  loop& loop_;
  std::unique_ptr<broker_server> broker_;
};

void stop_when_broken(message_store::shared_store& store, stop_request& stop) {
  store.when_broken(stop.executor(), [&stop](const std::string& why) {
    log::critical("store", "cannot go on safely, stopping: " + why);
    stop.fail();
  });
}

}  // namespace

std::shared_ptr<http::caller> client_for(const environment& env, const config& settings, const std::string& url) {
  http::client_options options;
  options.url = url;
  // A batch of claims has its texts together, or one message alone, however large.
  const auto largest = std::max(broker::message_max_bytes(settings), settings.size("broker.claims_max_bytes"));
  options.answer_max_bytes = std::max(options.answer_max_bytes, http::answer_bytes_for(largest));
  return http::make_client(env, options);
}

requester_options requester_options_from(const config& settings) {
  requester_options options;
  options.timeout = settings.duration("consumer_services.requester.timeout_ms");
  options.poll_interval = settings.duration("consumer_services.requester.poll_interval_ms");
  options.answer_pattern = settings.text("consumer_services.requester.answer_pattern");
  return options;
}

std::vector<config_provider> providers() {
  const config_provider app{"app",
                            {{.path = "app.startup_timeout_ms",
                              .kind = config_key::type::integer,
                              .default_yaml = "60000",
                              .help = "how long a starting process waits for what it needs (store, queue engine, "
                                      "broker) before it gives up",
                              .min = 0,
                              .max = 86'400'000}}};
  return {app,
          log::provider(),
          message_store::provider(),
          broker::provider(),
          api::provider(),
          queue_system::provider(),
          consumer_services::provider()};
}

int broker_process(const config& settings) {
  return until_stopped([&](stop_request& stop) {
    loop main("broker");
    const auto base = patient_foundation(stop, main, settings);
    stop_when_broken(*base.store, stop);
    look_for_engine(*base.platform, settings, base.routes->queues(), {});
    running_broker broker(main, settings, base);
    if (base.platform->capabilities().in_process)
      log::warning("broker", "the " + settings.text("queue_system.platform") +
                                 " queue reaches no other process: for services beside this broker, run \"amc all\" "
                                 "or set queue_system.platform");
    const int exit_code = stop.wait();
    broker.stop();
    return exit_code;
  });
}

int service_process(const config& settings, service_definition service) {
  const auto engine = queue_system::make_platform(settings);
  if (engine->capabilities().in_process)
    throw config_error(
        settings.at("queue_system.platform").origin + ": queue_system.platform: the " +
        settings.text("queue_system.platform") + " queue cannot reach " + service.name +
        " in a process of its own; set another platform, or run everything in one process with \"amc all\"");
  return until_stopped([&](stop_request& stop) {
    loop main("service");
    const auto broker_url = settings.text("consumer_services.broker_client.url");
    std::optional<foundation> base;
    if (service.on_the_store) {
      base = patient_foundation(stop, main, settings);
      stop_when_broken(*base->store, stop);
    } else {
      wait_for_broker(stop, main, settings, broker_url);
    }
    const running_numbers numbers(main, settings);
    // What works on the store sweeps it, too.
    const auto published = base ? base->routes->queues() : std::vector<std::string>();
    const std::vector<std::string> received{service.queue};
    patiently(stop, settings, engine_name(settings), [&] { engine->check(published, received); });
    running_service running(main, settings, std::move(service), base ? *base->platform : *engine,
                            base ? &*base : nullptr, broker_url, std::make_shared<company>());
    const int exit_code = stop.wait();
    end_or_exit(running.stop(drain_time(settings, exit_code)), exit_code);
    return exit_code;
  });
}

int all_process(const config& settings, const std::function<std::optional<int>(const std::string& url)>& meanwhile) {
  auto definition_a = configured_service_a(settings);  // may complain: before anything runs
  auto definition_b = service_b();
  return until_stopped([&](stop_request& stop) {
    loop broker_loop("broker");
    loop services_loop("services", broker_loop.env().metrics);
    const auto base = patient_foundation(stop, broker_loop, settings);
    stop_when_broken(*base.store, stop);
    const std::vector<std::string> received{definition_a.queue, definition_b.queue};
    look_for_engine(*base.platform, settings, base.routes->queues(), received);
    running_broker broker(broker_loop, settings, base);
    const auto both = std::make_shared<company>();
    running_service a(services_loop, settings, std::move(definition_a), *base.platform, &base, broker.url(), both);
    running_service b(services_loop, settings, std::move(definition_b), *base.platform, &base, broker.url(), both);
    std::optional<int> exit_code;
    if (meanwhile) exit_code = meanwhile(broker.url());
    if (!exit_code) exit_code = stop.wait();
    const bool finished_a = a.stop(drain_time(settings, *exit_code));
    const bool finished_b = b.stop(drain_time(settings, *exit_code));
    broker.stop();
    end_or_exit(finished_a && finished_b, *exit_code);
    return *exit_code;
  });
}

struct broker_caller::parts {
  explicit parts(const config& settings)
      : client(client_for(main.env(), settings, settings.text("consumer_services.broker_client.url"))),
        timeout(settings.duration("consumer_services.broker_client.timeout_ms")) {}
  loop main{"caller"};
  std::shared_ptr<http::caller> client;
  milliseconds timeout;
};

broker_caller::broker_caller(const config& settings) : parts_(std::make_unique<parts>(settings)) {}

broker_caller::~broker_caller() = default;

http::response broker_caller::ask(std::string method, std::string target, std::string body) {
  http::request asked{std::move(method), std::move(target), {}, std::move(body)};
  try {
    return parts_->main.run(parts_->client->send(std::move(asked), parts_->timeout));
  } catch (const unavailable& failed) {
    const bool unknown = failed.why() == unavailable::reason::outcome_unknown;
    throw startup_error(std::string("no answer from the broker: ") + failed.what() +
                        (unknown ? "; what was asked may have been carried out" : "") +
                        "; is it running (amc all), and is consumer_services.broker_client.url its URL?");
  }
}

int health(const config& settings) {
  const auto reply = broker_caller(settings).ask("GET", "/readyz");
  print(escaped(trimmed(reply.body)) + "\n");
  return reply.status == 200 ? 0 : 1;
}

int migrate(const config& settings, bool only_plan) {
  return until_stopped([&](stop_request& stop) {
    const auto done = patiently(stop, settings, "the store, " + message_store::store_name(settings),
                                [&] { return message_store::migrate_store(settings, only_plan); });
    auto told = message_store::store_name(settings) + "\nschema " + std::to_string(done.from);
    told += done.steps.empty() ? ": up to date\n"
                               : " -> " + std::to_string(done.to) + (only_plan ? " would take:\n" : ", done:\n");
    for (std::size_t i = 0; i < done.steps.size(); ++i)
      told += "  " + std::to_string(done.from + static_cast<int>(i) + 1) + "  " + done.steps[i] + "\n";
    print(told);
    return 0;
  });
}

conversation converse(const config& settings, const std::string& url, const std::string& text) {
  loop main("requester");
  auto client = client_for(main.env(), settings, url);
  return main.run(request(main.env(), client, text, requester_options_from(settings)));
}

}  // namespace amc::app
