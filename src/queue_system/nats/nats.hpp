#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "queue_system/platform.hpp"

namespace amc::queue_system {

struct nats_options {
  std::string url{};               ///< nats://USER:PASSWORD@HOST:PORT,HOST:PORT, or tls://
  std::string prefix{};            ///< of every queue's name
  bool in_memory = false;          ///< the stream is; otherwise it is in files
  std::size_t replicas = 1;        ///< servers of a cluster that keep the stream
  milliseconds connect_timeout{};  ///< for one attempt to connect and log in
  milliseconds answer_timeout{};   ///< for one call; then the connection is given up
  milliseconds heartbeat{};        ///< a peer that has missed two of them is dead
  milliseconds ack_wait{};         ///< what a process held that has died or hangs comes again after so long
  std::size_t publish_window = 0;  ///< events published and not confirmed yet
  std::string ca_file{};           ///< who may sign the server's certificate (tls)
  bool verify = true;              ///< the server's certificate and name (tls)
  /// Of all connections of a platform: whether the stream was there once, so that it has been deleted if it is not.
  std::shared_ptr<std::atomic<bool>> stream_was_there = std::make_shared<std::atomic<bool>>(false);
};

/// As configured.
nats_options nats_options_from(const config& settings);

/// Queues on NATS servers with JetStream (2.9 or newer): one stream, which keeps an event until it is acknowledged,
/// with a subject and a durable pull consumer for each queue. One connection for each publisher and subscriber. What
/// was deleted is made again. Throws config_error for a URL that cannot be read.
std::shared_ptr<platform> make_nats(nats_options options);

}  // namespace amc::queue_system
