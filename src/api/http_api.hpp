#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/identity.hpp"
#include "access/page_sessions.hpp"
#include "broker/maintenance/mass_cancel.hpp"
#include "broker/maintenance/mass_retry.hpp"
#include "broker/messages.hpp"
#include "broker/receivers.hpp"
#include "broker/waiters.hpp"
#include "core/config_in_force.hpp"
#include "http/message.hpp"

namespace amc::api {

/// That a request came to: broker.http, or broker.admin where that is a listener of its own.
enum class listener { http, admin };

struct api_options {
  milliseconds wait_max{};            ///< the longest that `Prefer: wait` is honoured for
  milliseconds receive_wait_max{};    ///< the same of POST /queues/{queue}/receive
  std::size_t receive_max_bytes = 0;  ///< of the texts of its deliveries; one comes whatever its size
  std::size_t claims_max = 0;         ///< entries of one POST /claims, /leases, /releases or /failures
  std::size_t page_max = 0;           ///< messages of one GET /messages
  std::size_t page_max_bytes = 0;     ///< a page ends when it has so many
  std::size_t pages_max_bytes = 0;    ///< of all pages that are being read
  milliseconds idempotency{};         ///< how long an Idempotency-Key is remembered
  std::optional<listener> page_at{};  ///< where there is a page at /ui/; nothing: nowhere
  access::page_sessions_options page_sessions{};
  /// Without an identity: whether what a proxy passes on is refused, unless the proxy is in one of these networks.
  bool refuses_forwarded = false;
  std::vector<std::string> trusted_proxies{};
  /// With an identity: what each may take, unless its own quota says otherwise.
  quota of_each{};
  std::shared_ptr<const config_in_force> settings{};  ///< of the process, for those who operate; never null
  milliseconds quota_refusal_delay{};                 ///< how long the answer to who is over its rate is held back
};

/// The broker's HTTP API: docs/http-api.md. Knows nothing of sockets. `identity`: who asks is asked, and may do what
/// its rights say; null: everybody may do everything.
class http_api {
 public:
  http_api(const environment& env, std::shared_ptr<broker::messages> messages, std::shared_ptr<broker::waiters> waiters,
           std::shared_ptr<broker::receivers> receivers, std::shared_ptr<broker::mass_retry> retries,
           std::shared_ptr<broker::mass_cancel> purges, api_options options,
           std::shared_ptr<access::identity> identity = nullptr);
  ~http_api();

  /// Answers a request, and drops its body once that has been read and it waits; throws `unavailable` when the store is
  /// away. All listeners answer the same, but for the page.
  task<http::response> handle(http::request& asked, listener at = listener::http);

  /// What a request whose body is still to come is answered instead, since nothing says who asks; nothing: it is to be
  /// read.
  std::optional<http::response> refuses_unread(const http::request& without_body, const http::peer& from);

  /// Words a refusal of the HTTP server's own as this API words its errors.
  static http::response fault(int status, std::string detail, std::string_view target);

 private:
  class implementation;
  std::unique_ptr<implementation> implementation_;
};

}  // namespace amc::api
