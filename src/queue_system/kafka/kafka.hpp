#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "queue_system/platform.hpp"

namespace amc::queue_system {

struct kafka_options {
  std::string brokers{};           ///< HOST:PORT[,HOST:PORT …] to begin with; the others are learnt from them
  std::string prefix{};            ///< of every topic and consumer group
  int partitions = 0;              ///< of a topic that is made
  int replication = 0;             ///< of a topic that is made; 0: as the servers are configured
  milliseconds retention{};        ///< of a topic that is made
  milliseconds answer_timeout{};   ///< for one call, delivery reports included
  milliseconds session_timeout{};  ///< a subscriber that is silent for so long has lost its partitions
  std::map<std::string, std::string> properties{};  ///< of librdkafka: TLS, SASL and what else it knows
};

/// As configured. Throws config_error for properties that are none.
kafka_options kafka_options_from(const config& settings);

/// Queues on Kafka (2.4 or newer, but 4.0), one topic and one consumer group of the same name for each. A publisher is
/// one idempotent producer with acks=all; a subscriber is one member of the group. Topics are made before use, and
/// again when they have been deleted. In order within a partition only; nothing can be given back. Throws config_error
/// for properties that librdkafka does not take.
std::shared_ptr<platform> make_kafka(kafka_options options);

}  // namespace amc::queue_system
