#pragma once

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>

#include "access/identity.hpp"
#include "core/config.hpp"
#include "core/loop.hpp"
#include "core/stop_request.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "service/service_runtime.hpp"

/// What runs in the process of a service, each on the thread of its loop.
namespace amc::service {

/// Handlers that do not end cannot be interrupted. Everything that counts is in the store, so the process ends anyway.
void end_or_exit(bool finished, int exit_code);

/// For a start: until the broker of `settings` answers, through `calls`. Throws startup_error when that takes too long
/// (`app.startup_timeout_ms`).
void wait_for_broker(stop_request& stop, loop& on, const config& settings, http::caller& calls);

/// The metrics and the health of a process that has no API of its own, where that is configured
/// (`consumer_services.http`).
class running_numbers {
 public:
  running_numbers(loop& on, const config& settings);
  ~running_numbers();

 private:
  std::optional<http::response> refused_numbers(const http::request& asked);
  task<http::response> answer(const http::request& asked);

  loop& loop_;
  std::shared_ptr<access::identity> identity_;  ///< null: nobody is asked who they are
  std::unique_ptr<http::server> server_;
};

/// One service, and the threads of its handlers.
class running_service {
 public:
  /// Makes its runtime, on the thread of the loop.
  using maker = std::function<std::unique_ptr<service_runtime>(boost::asio::any_io_executor handlers)>;

  running_service(loop& on, const handler& call, bool blocking, std::size_t concurrency, const maker& make);
  ~running_service();

  /// False when a handler is still running after `longest`: then the process must end without destroying this.
  bool stop(milliseconds longest);

 private:
  loop& loop_;
  std::unique_ptr<boost::asio::thread_pool> handlers_;
  std::unique_ptr<service_runtime> runtime_;
};

}  // namespace amc::service
