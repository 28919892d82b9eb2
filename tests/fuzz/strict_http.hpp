#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace amc::fuzz {

/// A request as RFC 9112 alone has it.
struct strict_request {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  std::size_t size = 0;  ///< of all its bytes, empty lines in front included
};

/// Reads the one request at the front, in the plainest way there is and sharing no code with src/http; nothing unless
/// it is there whole and beyond doubt.
std::optional<strict_request> read_strictly(std::string_view bytes);

}  // namespace amc::fuzz
