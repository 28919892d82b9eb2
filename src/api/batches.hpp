#pragma once

#include <string>
#include <vector>

#include "amc/error.hpp"
#include "core/work.hpp"
#include "http/message.hpp"

/// The bodies of requests about several messages at once.
namespace amc::api {

/// One entry of POST /claims, /leases, /releases or /failures.
struct entry {
  event ready{};
  std::int64_t claim = 0;
  bool alone = false;
  std::string error{};
};
result<std::vector<entry>> parse_entries(const http::request& asked, bool with_claim, std::size_t max);

/// The entries of POST /answers; each names its revision.
result<std::vector<answer_request>> parse_answers(const http::request& asked, std::size_t max);

}  // namespace amc::api
