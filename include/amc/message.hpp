#pragma once

#if __cplusplus < 202002L
#error "AMC's headers want C++20: -std=c++20"
#endif

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "amc/export.hpp"

/// What messages are made of, for whoever sends, takes or answers them.
namespace amc {

using milliseconds = std::chrono::milliseconds;

/// A time of the store's clock. Compared only with other times of the same store.
using timestamp = std::chrono::sys_time<milliseconds>;

enum class status { pending, done, dead, cancelled, expired };

/// "pending", "done", …
AMC_EXPORT const char* to_string(status value);

/// What a content is. A text stays a text whatever its content type.
enum class content_form {
  text,   ///< UTF-8 without U+0000
  json,   ///< a JSON value that is no text, as its JSON
  bytes,  ///< any bytes
};

/// A name and a text that travel with a message, which has no name twice.
struct header {
  std::string name;
  std::string value;
  bool operator==(const header&) const = default;
};

/// Of one message.
constexpr std::size_t headers_max = 64;
constexpr std::size_t headers_max_bytes = 8'192;  ///< names and texts together

}  // namespace amc
