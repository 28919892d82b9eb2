#pragma once

#include <memory>
#include <string>

#include "amc/config.hpp"
#include "amc/platform.hpp"
#include "broker/api.hpp"
#include "broker/async_store.hpp"
#include "broker/messages.hpp"
#include "http/server.hpp"

namespace amc::broker {

config_provider provider();

/// What everything that works on messages directly shares in a process: the store, the queue engine and the routes.
struct foundation {
  std::shared_ptr<amc::platform> platform;
  std::shared_ptr<const router> routes;
  std::shared_ptr<async_store> store;
  std::shared_ptr<queue_system::publisher> publisher;
};

/// Opens the store and the engine that are configured; throws startup_error when one cannot be.
foundation make_foundation(const environment& env, const config& settings);

/// The verbs of a message's life over a foundation, for the thread of `env`.
std::shared_ptr<messages> make_messages(const environment& env, const foundation& base, const config& settings);

/// The broker: HTTP API, relay, sweeper and waiters on one thread.
class broker {
 public:
  /// Binds its port; throws startup_error when it cannot.
  broker(const environment& env, const foundation& base, const config& settings);

  std::string url() const { return server_.url(); }
  void run();
  /// Takes no new request, answers those under way (parked ones at once), and returns when all is quiet.
  task<void> stop();

 private:
  bool engine_is_empty_;
  milliseconds drain_timeout_;
  std::shared_ptr<messages> messages_;
  std::shared_ptr<waiters> waiters_;
  std::shared_ptr<mass_retry> retries_;
  api api_;
  http::server server_;
};

}  // namespace amc::broker
