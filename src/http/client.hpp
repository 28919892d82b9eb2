#pragma once

#include <memory>
#include <string>

#include "core/environment.hpp"
#include "core/error.hpp"
#include "core/task.hpp"
#include "http/message.hpp"
#include "http/name_look_up.hpp"

namespace amc::http {

/// There is an answer, and it is larger than this client takes: the request was carried out.
class answer_too_large : public unavailable {
 public:
  explicit answer_too_large(std::string what) : unavailable(reason::outcome_unknown, std::move(what)) {}
};

/// Something that answers requests: a server far away, or a simulated one.
class caller {
 public:
  virtual ~caller() = default;
  /// Throws `unavailable` when there is no whole answer within the time: away when nothing was sent, outcome_unknown
  /// when the request may have been carried out; answer_too_large when it was.
  virtual task<response> send(request asked, milliseconds timeout) = 0;
};

/// What an answer may take that carries so many bytes of texts: JSON writes a byte as up to six ("\u0001"), and what
/// belongs to a message (names, times, the reasons of its last failures) comes on top.
constexpr std::size_t answer_bytes_for(std::size_t text_bytes) {
  return 6 * text_bytes + (1 << 20);
}

struct client_options {
  std::string url{};  ///< "http://HOST:PORT" or "https://HOST:PORT"
  /// In PEM, the authorities whose certificates a server may have; empty: those that the machine knows.
  std::string ca_file{};
  /// In PEM, what it shows who it is with, where a server asks: the certificates that lead to the authority behind it,
  /// and its key. Both are read again for a new connection when they have changed, at most once a second.
  std::string certificate_file{};
  std::string key_file{};
  std::size_t idle_max = 1'024;       ///< kept connections that wait for a next request
  milliseconds idle_timeout{30'000};  ///< shorter than a server's, so that a kept connection is seldom a dead one
  /// A larger answer is not taken. At least one with the largest message must be.
  std::size_t answer_max_bytes = answer_bytes_for(4 << 20);
  std::string keys = "consumer_services.broker_client";  ///< where url and files are configured, for messages
  name_look_up::blocking_look_up look_up = http::look_up;
};

/// HTTP/1.1 over kept connections, one request at a time on each; over TLS the server must have a certificate for the
/// host, a name or an IP address. Throws config_error for a URL or files it cannot use.
std::shared_ptr<caller> make_client(const environment& env, client_options options);

}  // namespace amc::http
