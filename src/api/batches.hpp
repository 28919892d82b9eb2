#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/messages.hpp"
#include "core/error.hpp"
#include "core/work.hpp"
#include "http/message.hpp"

/// The bodies of requests about several messages at once. Each is an array of at most so many entries.
namespace amc::api {

result<std::vector<claim_request>> parse_claims(const http::request& asked, std::size_t max);

/// The entries of POST /leases and /releases.
result<std::vector<claimed>> parse_claimed(const http::request& asked, std::size_t max);

result<std::vector<failed_claim>> parse_failures(const http::request& asked, std::size_t max);

/// Each names its revision.
result<std::vector<answer_request>> parse_answers(const http::request& asked, std::size_t max);

/// The entries of POST /messages that is a list, to this queue where one is given. Each is read, or refused, by itself.
result<std::vector<result<broker::accept_request>>> parse_new_messages(const http::request& asked,
                                                                       const std::optional<std::string>& queue,
                                                                       std::size_t max, milliseconds key_kept);

/// The body of POST /queues/{queue}/receive: what is wanted, and the outcomes that it brings along.
struct receive_body {
  std::size_t max = 1;
  std::size_t max_bytes = 0;
  std::size_t in_hand = 0;
  std::string service{};  ///< empty: not told
  std::string worker{};   ///< empty: not told
  std::vector<answer_request> answers{};
  std::vector<failed_claim> failures{};
  std::vector<claimed> leases{};
  std::vector<claimed> releases{};
};
/// `max` bounds each list, and what is asked for; without a body one delivery is, of up to `max_bytes`.
result<receive_body> parse_receive(const http::request& asked, std::size_t max, std::size_t max_bytes);

}  // namespace amc::api
