#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/environment.hpp"
#include "core/task.hpp"
#include "http/browsers.hpp"
#include "http/message.hpp"
#include "http/tls_certificates.hpp"

namespace amc::http {

struct server_options {
  std::string address{};
  std::uint16_t port = 0;                ///< 0: any free one
  std::size_t header_max_bytes = 0;      ///< more is answered 431
  std::size_t body_max_bytes = 0;        ///< more is answered 413
  std::size_t connections_max = 0;       ///< more are answered 503; also bounds the requests in flight
  milliseconds idle_timeout{};           ///< a kept connection without a request is closed
  milliseconds header_timeout{};         ///< from a request's first byte to the end of its header
  milliseconds body_timeout{};           ///< from the end of the header to the end of the body, and for an answer
  std::size_t rate_min_bytes_per_s = 0;  ///< body_timeout grows by the time that the bytes take at this rate
  std::size_t bodies_max_bytes = 0;      ///< of all bodies under way; more is answered 503. One largest always fits
  std::size_t answers_max_bytes = 0;     ///< of all answers that wait to be taken; more is answered 503
  browser_rules browsers{};
  /// Asked once the header of a request is there, and a part of its body is not: what is answered instead of reading
  /// on; the connection is closed then. Null: every body is read.
  std::function<std::optional<response>(const request& without_body, const peer& from)> doorkeeper{};
  std::shared_ptr<const tls_certificates> certificates{};  ///< null: it speaks plain HTTP
  std::string address_keys = "broker.http";                ///< where address and port are configured, for messages
};

/// An HTTP/1.1 server, over TLS where it has certificates. Everything about it is bounded; what is not plainly one
/// request (framing.hpp) is refused with 400 and the connection closed. A request that does not come in time is
/// answered 408, and one that a page of somebody else may have sent (browsers.hpp) 403 or 421.
class server {
 public:
  /// Answers a request, which is its own: it may drop the body. `unavailable` leaving it becomes 503, any other
  /// exception 500.
  using handler = std::function<task<response>(request&)>;
  /// Words a refusal of the server's own (400, 403, 408, 413, 421, 431, 500, 503). The target is empty where none could
  /// be read.
  using fault = std::function<response(int status, std::string detail, std::string_view target)>;

  /// Binds at once; throws startup_error when it cannot.
  server(const environment& env, server_options options, handler handle, fault word_fault);
  ~server();

  /// "http://127.0.0.1:4000", with the port that was bound.
  std::string url() const;

  void run();

  /// Takes no new connection, closes idle ones, lets requests under way be answered; returns when all are closed or
  /// the time is over.
  task<void> stop(milliseconds longest);

 private:
  class implementation;
  std::shared_ptr<implementation> implementation_;
};

}  // namespace amc::http
