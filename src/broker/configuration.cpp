#include "broker/configuration.hpp"

#include <algorithm>

#include "broker/router.hpp"

namespace amc::broker {
namespace {

constexpr const char* default_routes = R"([
  {match: '^Hi,$', queue: topic-a},
  {match: '^Hi, .+?\.$', queue: topic-b, from: [topic-a]},
  {match: '^Hi, .+\. Bye!$', done: true}])";

/// With what it may override of the defaults.
std::vector<config_key> with_overrides(std::vector<config_key> fields) {
  for (auto key : router::policy_keys()) {
    key.path = key.path.substr(std::string_view("broker.").size());
    key.default_yaml = "null";
    fields.push_back(std::move(key));
  }
  return fields;
}

std::vector<config_key> route_fields() {
  return with_overrides({{.path = "match", .default_yaml = "null"},
                         {.path = "field", .default_yaml = "null"},
                         {.path = "queue", .default_yaml = "null"},
                         {.path = "done", .kind = config_key::type::boolean, .default_yaml = "false"},
                         {.path = "from", .kind = config_key::type::texts, .default_yaml = "[]"}});
}

std::vector<config_key> queue_fields() {
  return with_overrides({{.path = "name", .default_yaml = "null"}});
}

/// Where messages may go, and how large they may be.
std::vector<config_key> queue_and_size_keys() {
  return {
      {.path = "broker.routes",
       .kind = config_key::type::maps,
       .default_yaml = default_routes,
       .help = "the first pattern (RE2) found in the trimmed text, or in a field of a JSON value (RFC 6901), "
               "decides where a message goes; with broker.access.tokens_file those may follow a route who may send to "
               "its queue, or serve a queue that its from names",
       .fields = route_fields()},
      {.path = "broker.queues",
       .kind = config_key::type::maps,
       .default_yaml = "[]",
       .help = "queues that messages are sent to by their names, each with what it overrides",
       .fields = queue_fields()},
      {.path = "broker.queues_closed",
       .kind = config_key::type::boolean,
       .default_yaml = "false",
       .help = "whether a message for a queue that neither a route nor broker.queues names is refused"},
      number_key("broker.queues_max", "1000",
                 "queues that messages are sent to, those in routes and broker.queues included; a message "
                 "for one more is refused",
                 1, 1'000'000),
      number_key("broker.message_max_bytes", "0",
                 "of one message's text, counted after decoding; 0: 1,024 less than "
                 "broker.http.body_max_bytes, which is the most that leaves a request room for the rest",
                 0, 1 << 30),
      number_key("broker.claims_max_bytes", "8388608",
                 "of the texts that one request for claims is granted; a message of more than its share "
                 "is claimed in a request of its own, whatever its size",
                 1, 1 << 30),
  };
}

/// Of what is seen of each queue.
std::vector<config_key> activity_keys() {
  return {
      number_key("broker.activity.services_max", "20",
                 "services that are told apart in what is seen of a queue, those seen last; in metrics "
                 "the others count together",
                 1, 1'000),
      number_key("broker.activity.points_max", "360",
                 "points of 30 s that are kept of each queue, for charts; a point takes about 80 bytes", 1, 100'000),
      number_key("broker.activity.counted_ms", "30000",
                 "between two counts of what waits in each queue, for charts; longer where counting takes "
                 "long, so that it takes a twentieth of the time at most",
                 1'000, 3'600'000),
      number_key("broker.activity.claims_max", "10000",
                 "claims of which it is remembered since when they are held, at about 150 bytes each; of "
                 "those beyond the time is not measured",
                 0, 1'000'000),
      number_key("broker.activity.older_max", "10000",
                 "messages that are counted before one that is explained; with more than that there is "
                 "no estimate of its time",
                 1, 1'000'000),
  };
}

}  // namespace

config_provider provider() {
  config_provider all{"broker", queue_and_size_keys()};
  const auto policies = router::policy_keys();
  all.keys.insert(all.keys.end(), policies.begin(), policies.end());
  all.keys.push_back(number_key("broker.sweep_interval_ms", "250", "between two looks for messages that are due"));
  all.keys.push_back(
      number_key("broker.sweep_max", "1000",
                 "messages of one queue that one look rings; fewer where those of all queues would be more than 100000",
                 1, 100'000));
  all.keys.push_back(number_key("broker.receiving_told_ms", "5000",
                                "between two times that a broker tells the others of its store (PostgreSQL) who "
                                "receives from which queue through it, for explain and the page",
                                100, 60'000));
  constexpr std::int64_t year_ms = 31'536'000'000;
  all.keys.push_back(number_key("broker.retention_ms", "604800000",
                                "done, cancelled and expired messages are deleted after this", 1'000, 100 * year_ms));
  all.keys.push_back(number_key("broker.dead_retention_ms", "2592000000", "dead messages are deleted after this", 1'000,
                                100 * year_ms));
  all.keys.push_back(number_key("broker.idempotency_ms", "86400000",
                                "an Idempotency-Key is remembered for this long; no longer than its message is kept",
                                1'000, 100 * year_ms));
  all.keys.push_back(number_key("broker.retries_per_second", "100", "how fast POST /retries goes", 1, 100'000));
  all.keys.push_back(number_key("broker.purge_interval_ms", "1000", "between two steps of deleting that find little"));
  all.keys.push_back(number_key("broker.purge_max", "1000", "messages that one step of deleting looks at", 1, 100'000));
  const auto activity = activity_keys();
  all.keys.insert(all.keys.end(), activity.begin(), activity.end());
  all.keys.push_back(number_key("broker.drain_timeout_ms", "10000", "how long a stop waits for requests under way"));
  return all;
}

std::size_t message_max_bytes(const config& settings) {
  // What an answer has around its text: brackets, names, an id and a revision.
  constexpr std::int64_t envelope_bytes = 1'024;
  const auto body = settings.integer("broker.http.body_max_bytes");
  const auto asked = settings.integer("broker.message_max_bytes");
  const auto most = std::max<std::int64_t>(1, body - envelope_bytes);
  if (asked > most)
    throw settings.complaint("broker.message_max_bytes",
                             std::to_string(asked) + " does not fit into a request; set at most " +
                                 std::to_string(most) + ", or a larger broker.http.body_max_bytes (" +
                                 std::to_string(body) + ")");
  return static_cast<std::size_t>(asked == 0 ? most : asked);
}

}  // namespace amc::broker
