#include "broker/broker.hpp"

#include "broker/stores.hpp"
#include "core/log.hpp"
#include "queue_system/platforms.hpp"

namespace amc::broker {

namespace {

constexpr const char* default_routes = R"([
  {match: '^Hi,$', queue: topic-a},
  {match: '^Hi, .+?\.$', queue: topic-b},
  {match: '^Hi, .+\. Bye!$', done: true}])";

std::vector<config_key> http_keys() {
  return {
      {.path = "broker.http.address", .default_yaml = "127.0.0.1", .help = "the IP address to listen on"},
      number_key("broker.http.port", "4000", "the port to listen on; 0 takes any free one", 0, 65'535),
      number_key("broker.http.header_max_bytes", "16384", "a larger request header is answered 431", 1'024, 1 << 20),
      number_key("broker.http.body_max_bytes", "1048576", "a larger request body is answered 413", 1, 1 << 30),
      number_key("broker.http.connections_max", "4096", "more connections are answered 503", 1, 1'000'000),
      number_key("broker.http.idle_timeout_ms", "60000", "a connection without a request is closed after this"),
      number_key("broker.http.header_timeout_ms", "10000", "from the first byte of a request to the end of its header"),
      number_key("broker.http.body_timeout_ms", "30000",
                 "from the end of a request's header to the end of its body, and for an answer to be taken"),
      number_key("broker.http.rate_min_bytes_per_s", "16384",
                 "body_timeout_ms grows by the time that the bytes so far take at this rate", 1, 1 << 30),
      number_key("broker.http.wait_max_ms", "60000", "the longest that \"Prefer: wait\" is honoured for"),
      number_key("broker.http.waiters_max", "4096", "parked requests; more are answered 503", 1, 1'000'000),
      number_key("broker.http.claims_max", "1000", "entries in one request for claims, leases, releases or failures", 1,
                 10'000),
      number_key("broker.http.page_max", "1000", "messages in one page of a list", 1, 10'000),
  };
}

/// A route's own fields, and what it may override of the defaults.
std::vector<config_key> route_fields() {
  std::vector<config_key> fields{{.path = "match", .default_yaml = "null"},
                                 {.path = "queue", .default_yaml = "null"},
                                 {.path = "done", .kind = config_key::type::boolean, .default_yaml = "false"}};
  for (auto key : router::policy_keys()) {
    key.path = key.path.substr(std::string_view("broker.").size());
    key.default_yaml = "null";
    fields.push_back(std::move(key));
  }
  return fields;
}

http::server_options server_options_from(const config& settings) {
  http::server_options options;
  options.address = settings.text("broker.http.address");
  options.port = static_cast<std::uint16_t>(settings.integer("broker.http.port"));
  options.header_max_bytes = static_cast<std::size_t>(settings.integer("broker.http.header_max_bytes"));
  options.body_max_bytes = static_cast<std::size_t>(settings.integer("broker.http.body_max_bytes"));
  options.connections_max = static_cast<std::size_t>(settings.integer("broker.http.connections_max"));
  options.idle_timeout = settings.duration("broker.http.idle_timeout_ms");
  options.header_timeout = settings.duration("broker.http.header_timeout_ms");
  options.body_timeout = settings.duration("broker.http.body_timeout_ms");
  options.rate_min_bytes_per_s = static_cast<std::size_t>(settings.integer("broker.http.rate_min_bytes_per_s"));
  return options;
}

api_options api_options_from(const config& settings) {
  api_options options;
  options.wait_max = settings.duration("broker.http.wait_max_ms");
  options.claims_max = static_cast<std::size_t>(settings.integer("broker.http.claims_max"));
  options.page_max = static_cast<std::size_t>(settings.integer("broker.http.page_max"));
  options.idempotency = settings.duration("broker.idempotency_ms");
  return options;
}

}  // namespace

config_provider provider() {
  config_provider all{"broker", http_keys()};
  const auto stores = store_keys();
  all.keys.insert(all.keys.end(), stores.begin(), stores.end());
  all.keys.push_back(
      number_key("broker.store.inbox_max", "8192", "requests that may wait for the store; more are answered 503"));
  all.keys.push_back(number_key("broker.store.batch_max", "512", "requests that become one transaction", 1, 10'000));
  all.keys.push_back({.path = "broker.routes",
                      .kind = config_key::type::maps,
                      .default_yaml = default_routes,
                      .help = "the first pattern (RE2) found in the trimmed text decides where a message goes",
                      .fields = route_fields()});
  const auto policies = router::policy_keys();
  all.keys.insert(all.keys.end(), policies.begin(), policies.end());
  all.keys.push_back(number_key("broker.sweep_interval_ms", "250", "between two looks for messages that are due"));
  all.keys.push_back(number_key("broker.sweep_max", "1000", "messages of one queue that one look rings", 1, 100'000));
  constexpr std::int64_t year_ms = 31'536'000'000;
  all.keys.push_back(number_key("broker.retention_ms", "604800000",
                                "done, cancelled and expired messages are deleted after this", 1'000, 100 * year_ms));
  all.keys.push_back(number_key("broker.dead_retention_ms", "2592000000", "dead messages are deleted after this", 1'000,
                                100 * year_ms));
  all.keys.push_back(number_key("broker.idempotency_ms", "86400000",
                                "an Idempotency-Key is remembered for this long; no longer than its message is kept",
                                1'000, 100 * year_ms));
  all.keys.push_back(number_key("broker.retries_per_second", "100", "how fast POST /retries goes", 1, 100'000));
  all.keys.push_back(number_key("broker.purge_max", "1000", "messages that one step of deleting looks at", 1, 100'000));
  all.keys.push_back(number_key("broker.drain_timeout_ms", "10000", "how long a stop waits for requests under way"));
  return all;
}

foundation make_foundation(const environment& env, const config& settings) {
  foundation base;
  base.routes = std::make_shared<const router>(settings);
  base.platform = queue_system::make_platform(settings);
  const async_store::limits bounds{static_cast<std::size_t>(settings.integer("broker.store.inbox_max")),
                                   static_cast<std::size_t>(settings.integer("broker.store.batch_max"))};
  base.store = std::make_shared<async_store>(env, open_store(settings), bounds);
  base.publisher = std::make_shared<queue_system::publisher>(env, *base.platform);
  return base;
}

std::shared_ptr<messages> make_messages(const environment& env, const foundation& base, const config& settings) {
  messages_options options;
  options.purge.kept = settings.duration("broker.retention_ms");
  options.purge.dead_kept = settings.duration("broker.dead_retention_ms");
  options.purge.limit = static_cast<std::size_t>(settings.integer("broker.purge_max"));
  options.sweep_interval = settings.duration("broker.sweep_interval_ms");
  options.sweep_max = static_cast<std::size_t>(settings.integer("broker.sweep_max"));
  return std::make_shared<messages>(env, base.store, base.publisher, base.routes,
                                    uuid_v7_source(env.wall_clock, env.random), options);
}

broker::broker(const environment& env, const foundation& base, const config& settings)
    : engine_is_empty_(base.platform->capabilities().empty_at_start),
      drain_timeout_(settings.duration("broker.drain_timeout_ms")),
      messages_(make_messages(env, base, settings)),
      waiters_(std::make_shared<waiters>(env, *base.store,
                                         static_cast<std::size_t>(settings.integer("broker.http.waiters_max")))),
      retries_(std::make_shared<mass_retry>(
          env, messages_, mass_retry_options{static_cast<std::size_t>(settings.integer("broker.retries_per_second"))})),
      api_(env, messages_, waiters_, retries_, api_options_from(settings)),
      server_(
          env, server_options_from(settings), [this](const http::request& asked) { return api_.handle(asked); },
          api::fault) {}

void broker::run() {
  messages_->run(engine_is_empty_);
  server_.run();
  log::info("broker", "listening on " + url());
}

task<void> broker::stop() {
  waiters_->send_home();
  co_await server_.stop(drain_timeout_);
  co_await waiters_->stop();
  co_await retries_->stop();
  co_await messages_->stop();
}

}  // namespace amc::broker
