#include <librdkafka/rdkafka.h>

#include "queue_system/kafka/kafka.hpp"
#include "queue_system/registration.hpp"

namespace amc::queue_system {
namespace {

std::vector<config_key> keys() {
  return {
      {.path = "queue_system.kafka.brokers",
       .default_yaml = "127.0.0.1:9092",
       .help = "servers to begin with, HOST:PORT and commas between them; the others are learnt from them"},
      {.path = "queue_system.kafka.properties",
       .kind = config_key::type::settings,
       .default_yaml = "[]",
       .help = "more for librdkafka, as [security.protocol=SASL_SSL, sasl.mechanism=PLAIN, sasl.username=USER, "
               "sasl.password=PASSWORD, ssl.ca.location=FILE]; values are not shown"},
      number_key("queue_system.kafka.partitions", "6",
                 "of a topic that is made: so many processes can receive from one queue at once", 1, 10'000),
      number_key("queue_system.kafka.replication", "0",
                 "servers that hold a copy of a topic that is made; 0: as the servers are configured "
                 "(default.replication.factor)",
                 0, 100),
      number_key("queue_system.kafka.retention_ms", "86400000",
                 "of a topic that is made: handled or not, an event is deleted some time after; one that is still "
                 "wanted is rung again",
                 60'000, 31'536'000'000),
      number_key("queue_system.kafka.answer_timeout_ms", "10000",
                 "for one call, delivery reports included; then the connection is given up", 1'000, 300'000),
      number_key("queue_system.kafka.session_timeout_ms", "10000",
                 "a receiver that is silent for so long has lost its share of the queue to others; the servers say "
                 "what they permit (group.min.session.timeout.ms)",
                 1'000, 300'000),
  };
}

}  // namespace

kafka_options kafka_options_from(const config& settings) {
  kafka_options options;
  options.brokers = settings.text("queue_system.kafka.brokers");
  options.prefix = settings.text("queue_system.prefix");
  options.partitions = static_cast<int>(settings.integer("queue_system.kafka.partitions"));
  options.replication = static_cast<int>(settings.integer("queue_system.kafka.replication"));
  options.retention = settings.duration("queue_system.kafka.retention_ms");
  options.answer_timeout = settings.duration("queue_system.kafka.answer_timeout_ms");
  options.session_timeout = settings.duration("queue_system.kafka.session_timeout_ms");
  for (const auto& property : settings.texts("queue_system.kafka.properties")) {
    const auto end = property.find('=');
    if (end == std::string::npos || end == 0)
      throw settings.complaint("queue_system.kafka.properties", "an entry is not NAME=VALUE");
    options.properties[property.substr(0, end)] = property.substr(end + 1);
  }
  return options;
}

registration kafka_engine() {
  return {"kafka", keys(), [](const config& settings) { return make_kafka(kafka_options_from(settings)); },
          std::string("librdkafka ") + rd_kafka_version_str()};
}

}  // namespace amc::queue_system
