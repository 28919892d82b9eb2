#pragma once

#include <boost/asio/thread_pool.hpp>

#include "app/broker_server.hpp"
#include "app/foundation.hpp"
#include "app/loop.hpp"
#include "service/service_runtime.hpp"

/// What runs in a process, each on the thread of its loop.
namespace amc::app {

/// Handlers that do not end cannot be interrupted. Everything that counts is in the store, so the process ends anyway.
void end_or_exit(bool finished, int exit_code);

/// The metrics of a process that has no API of its own, where that is configured.
class running_numbers {
 public:
  running_numbers(loop& on, const config& settings);
  ~running_numbers();

 private:
  task<http::response> answer(const http::request& asked);

  loop& loop_;
  std::unique_ptr<http::server> server_;
};

/// One service and what it stands on.
class running_service {
 public:
  /// `base` is there where the service works on the store.
  running_service(loop& on, const config& settings, service_definition service, platform& engine,
                  const foundation* base, const std::string& broker_url, std::shared_ptr<service::company> with);
  ~running_service();

  /// False when a handler is still running after `longest`: then the process must end without destroying this.
  bool stop(milliseconds longest);

 private:
  void start(const config& settings, service_definition service, platform& engine, const foundation* base,
             const std::string& broker_url, const service::runtime_options& options);

  loop& loop_;
  std::unique_ptr<boost::asio::thread_pool> handlers_;
  std::unique_ptr<broker::parts> parts_;
  std::unique_ptr<service::service_runtime> runtime_;
};

/// The broker.
class running_broker {
 public:
  running_broker(loop& on, const config& settings, const foundation& base);
  ~running_broker();

  std::string url() const { return broker_->url(); }
  void stop();

 private:
  loop& loop_;
  std::unique_ptr<broker_server> broker_;
};

}  // namespace amc::app
