#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "amc/message.hpp"

/// What a service asks of a broker, as values: the same in a process, over HTTP, and on the store.
namespace amc {

struct claim_request {
  event ready{};
  bool alone = false;
};

/// A claim that was granted.
struct granted {
  std::int64_t claim = 0;
  std::string text{};
  milliseconds lease{};
};

struct claimed {
  event ready{};
  std::int64_t claim = 0;
};

struct failed_claim {
  claimed what{};
  std::string reason{};
};

struct answer_request {
  uuid id{};
  std::optional<int> revision{};  ///< without one the last writer wins
  std::string text{};
};

}  // namespace amc
