#pragma once

#include "app/broker_server.hpp"
#include "app/foundation.hpp"
#include "consumer_services/services.hpp"
#include "core/loop.hpp"
#include "service/running.hpp"
#include "telemetry/configuration.hpp"

/// What runs in a process, each on the thread of its loop.
namespace amc::app {

/// What the services of one process work with.
struct workplace {
  std::string broker_url{};
  /// Of a broker in this process; null: they come to it over HTTP.
  std::shared_ptr<amc::service::receiving_client> broker{};
  platform* engine = nullptr;        ///< whose events they hear; null: they receive from the broker
  const foundation* base = nullptr;  ///< where services that hear events may work on the store
  std::shared_ptr<amc::service::company> company = std::make_shared<amc::service::company>();
  std::string worker{};                       ///< what they receive as: of one start of one process
  const telemetry::traces* traces = nullptr;  ///< of the process; null: nothing is traced
};

/// A service, which receives from its broker, or hears the engine and may work on the store.
class running_service {
 public:
  running_service(loop& on, const config& settings, consumer_services::example_service service, const workplace& at);
  ~running_service();

  /// False when a handler is still running after `longest`: then the process must end without destroying this.
  bool stop(milliseconds longest);

 private:
  std::shared_ptr<amc::service::broker_client> client(const config& settings, bool on_the_store, const workplace& at);

  loop& loop_;
  std::unique_ptr<broker::parts> parts_;  ///< of one that works on the store
  std::unique_ptr<amc::service::running_service> running_;
};

/// The broker.
class running_broker {
 public:
  running_broker(loop& on, const config& settings, const foundation& base);
  ~running_broker();

  std::string url() const { return broker_->url(); }
  std::shared_ptr<amc::service::receiving_client> client_in_process() const { return broker_->client_in_process(); }
  void stop();

 private:
  loop& loop_;
  std::unique_ptr<broker_server> broker_;
};

}  // namespace amc::app
