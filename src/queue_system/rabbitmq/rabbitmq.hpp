#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "queue_system/platform.hpp"

namespace amc::queue_system {

struct rabbitmq_options {
  /// What survives what. The store carries the promise, so each is safe; they differ in speed and in how much is rung
  /// again after a restart of the server.
  enum class queue_type { quorum, classic, transient };

  std::string url{};     ///< amqp://USER:PASSWORD@HOST:PORT,HOST:PORT/VHOST, or amqps://
  std::string prefix{};  ///< of every queue's name
  queue_type type{};
  milliseconds connect_timeout{};  ///< for one attempt to connect and log in
  milliseconds answer_timeout{};   ///< for one call; then the connection is given up
  milliseconds heartbeat{};        ///< whole seconds; both sides notice a dead peer after two of them
  milliseconds resubscribe{};      ///< a subscriber that has heard nothing for so long subscribes anew
  std::size_t publish_window = 0;  ///< events published and not confirmed yet
  std::string ca_file{};           ///< who may sign the server's certificate (amqps)
  bool verify = true;              ///< the server's certificate and name (amqps)
};

/// As configured.
rabbitmq_options rabbitmq_options_from(const config& settings);

/// Queues on a RabbitMQ server (3.8 or newer). One connection for each publisher and subscriber; they connect again at
/// their next call. Published with confirms and `mandatory`; queues are declared before use, and again when they have
/// been deleted. Throws config_error for a URL that cannot be read.
std::shared_ptr<platform> make_rabbitmq(rabbitmq_options options);

}  // namespace amc::queue_system
