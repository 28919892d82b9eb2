#pragma once

#include "core/message.hpp"

namespace amc {

/// What a message says, as far as it may be large: its text, and its headers. What is bounded by bytes counts these.
inline std::size_t kept_bytes(const message& m) {
  auto bytes = m.text.size();
  for (const auto& h : m.headers) bytes += h.name.size() + h.value.size();
  return bytes;
}

}  // namespace amc
