#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/message.hpp"

namespace amc::queue_system {

/// A CloudEvents 1.0 structured JSON envelope (docs/architecture.md shows one). `event_id` is unique for each ringing.
std::string encode(const event& ready, const uuid& event_id, std::chrono::system_clock::time_point time);

/// Larger ones are not read: what `encode` writes has some 400 bytes, and others may add attributes of their own.
constexpr std::size_t event_max_bytes = 65'536;

/// Reads what `encode` writes, and any other JSON CloudEvent of the same type. A refusal (errc::invalid) says why.
result<event> decode(std::string_view bytes);

}  // namespace amc::queue_system
