#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "queue_system/platform.hpp"

namespace amc::queue_system {

struct redis_options {
  std::string url{};               ///< redis://USER:PASSWORD@HOST:PORT/DATABASE
  std::string prefix{};            ///< of every queue's name
  milliseconds connect_timeout{};  ///< for one attempt to connect and log in
  milliseconds answer_timeout{};   ///< for one call; then the connection is given up
  milliseconds claim{};            ///< what a process held that has died or hangs comes again after so long
  std::size_t publish_window = 0;  ///< events published and not confirmed yet
};

/// As configured.
redis_options redis_options_from(const config& settings);
/// The client library that this is made with: "hiredis 0.14.1".
std::string redis_library();

/// Queues on a Redis (6.2 or newer) or Valkey server: a stream and a consumer group for each queue, a consumer for each
/// subscriber. One connection for each publisher and subscriber. What is acknowledged is deleted from its stream, and a
/// stream or group that was deleted is made again. Throws config_error for a URL that cannot be read, or that wants
/// TLS.
std::shared_ptr<platform> make_redis(redis_options options);

}  // namespace amc::queue_system
