#pragma once

#include <memory>
#include <string>
#include <vector>

#include "amc/error.hpp"
#include "amc/message.hpp"
#include "core/task.hpp"
#include "core/work.hpp"
#include "http/client.hpp"

namespace amc::service {

/// What a service asks of a broker. Each verb throws `unavailable` when the broker cannot be asked; asking again is
/// always safe, since every verb names the revision or the claim that it is about.
class broker_client {
 public:
  virtual ~broker_client() = default;
  virtual task<std::vector<result<granted>>> claim(std::vector<claim_request> requests) = 0;
  virtual task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claims) = 0;
  virtual task<void> release(std::vector<claimed> claims) = 0;
  /// What has become of each: pending again, or dead. Errors of each: not_found, terminal, stale.
  virtual task<std::vector<result<status>>> fail(std::vector<failed_claim> failures) = 0;
  /// Errors of each: not_found, terminal, stale, unroutable, invalid (nothing that the broker takes, or too large).
  virtual task<std::vector<result<void>>> answer(std::vector<answer_request> answers) = 0;
};

/// Over HTTP, as ServiceA does.
std::shared_ptr<broker_client> make_http_broker_client(std::shared_ptr<http::caller> http, milliseconds timeout);

}  // namespace amc::service
