#pragma once

#include <memory>
#include <string>

#include "amc/error.hpp"
#include "core/environment.hpp"
#include "core/task.hpp"
#include "http/message.hpp"

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

struct client_options {
  std::string url = "http://127.0.0.1:4000";
  std::size_t idle_max = 1'024;           ///< kept connections that wait for a next request
  milliseconds idle_timeout{30'000};      ///< shorter than a server's, so that a kept connection is seldom a dead one
  std::size_t body_max_bytes = 16 << 20;  ///< of an answer
};

/// HTTP/1.1 over kept connections, one request at a time on each. Throws startup_error for a URL it cannot use.
std::shared_ptr<caller> make_client(const environment& env, client_options options);

}  // namespace amc::http
