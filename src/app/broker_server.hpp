#pragma once

#include <memory>
#include <string>

#include "access/identity.hpp"
#include "api/http_api.hpp"
#include "app/foundation.hpp"
#include "broker/maintenance/queue_counting.hpp"
#include "http/server.hpp"
#include "service/broker_client.hpp"

namespace amc::app {

/// The broker: HTTP API, relay, sweeper and waiters on one thread.
class broker_server {
 public:
  /// Binds its ports; throws startup_error when it cannot.
  broker_server(const environment& env, const foundation& base, const config& settings);

  /// Of broker.http.
  std::string url() const { return server_->url(); }
  /// For services in this process, on other threads, whose calls must have returned before `stop`. Null where whoever
  /// works here is asked who it is: then they come over HTTP as everybody does.
  std::shared_ptr<service::receiving_client> client_in_process() const;
  void run();
  /// Takes no new request, answers those under way (parked ones at once), and returns when all is quiet.
  task<void> stop();

 private:
  static api::api_options api_options(const config& settings, const foundation& base);
  std::unique_ptr<http::server> make_server(const environment& env, http::server_options options, api::listener at);

  task<void> stop_listening();

  boost::asio::any_io_executor executor_;
  bool engine_is_empty_;
  milliseconds drain_timeout_;
  std::shared_ptr<access::identity> identity_;            ///< null: nobody is asked who they are
  std::shared_ptr<http::tls_certificates> certificates_;  ///< null: plain HTTP
  std::unique_ptr<broker::parts> parts_;
  std::shared_ptr<broker::waiters> waiters_;
  std::shared_ptr<broker::receivers> receivers_;
  std::shared_ptr<broker::mass_retry> retries_;
  std::shared_ptr<broker::mass_cancel> purges_;
  broker::queue_counting counting_;
  api::http_api api_;
  std::unique_ptr<http::server> server_;
  std::unique_ptr<http::server> admin_;  ///< null: there is no listener of its own for the page
};

}  // namespace amc::app
