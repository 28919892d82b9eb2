#pragma once

#include <string>
#include <vector>

#include "amc/error.hpp"
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

}  // namespace amc::api
