#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace amc::fuzz {

/// Ends the process where a promise is broken, so that the fuzzer keeps the input.
inline void expect(bool kept, std::string_view promise, std::string_view detail = "") {
  if (kept) return;
  std::fprintf(stderr, "broken: %.*s: %.*s\n", static_cast<int>(promise.size()), promise.data(),
               static_cast<int>(detail.size()), detail.data());
  std::abort();
}

inline std::string_view text_of(const unsigned char* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace amc::fuzz
