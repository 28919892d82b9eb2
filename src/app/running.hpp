#pragma once

#include <boost/asio/thread_pool.hpp>

#include "access/token_identity.hpp"
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
  std::optional<http::response> refused_numbers(const http::request& asked);
  task<http::response> answer(const http::request& asked);

  loop& loop_;
  std::shared_ptr<access::token_identity> identity_;  ///< null: nobody is asked who they are
  std::unique_ptr<http::server> server_;
};

/// What the services of one process work with.
struct workplace {
  std::string broker_url{};
  platform* engine = nullptr;        ///< whose events they hear; null: they receive from the broker
  const foundation* base = nullptr;  ///< where services that hear events may work on the store
  std::shared_ptr<service::company> company = std::make_shared<service::company>();
  std::string worker{};  ///< what they receive as: of one start of one process
};

/// A name that no other start of a process has.
std::string new_worker_name(const environment& env);

/// One service and what it stands on.
class running_service {
 public:
  running_service(loop& on, const config& settings, service_definition service, workplace at);
  ~running_service();

  /// False when a handler is still running after `longest`: then the process must end without destroying this.
  bool stop(milliseconds longest);

 private:
  void start(const config& settings, service_definition service, const workplace& at,
             const service::runtime_options& options);
  void start_receiving(const config& settings, service_definition service, const workplace& at,
                       const service::runtime_options& options);
  boost::asio::any_io_executor handlers();

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
