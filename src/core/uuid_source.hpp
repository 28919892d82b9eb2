#pragma once

#include <functional>

#include "core/message.hpp"

namespace amc {

/// Where new ids come from. Called from one thread.
using uuid_source = std::function<uuid()>;

/// UUIDv7 (RFC 9562): milliseconds, a 12-bit counter that keeps ids of one millisecond in order, and 62 random bits,
/// which `random` gives. Ids that grow keep the store's inserts at one end of its tree.
/// `now` gives the wall clock; a clock that jumps back does not make ids go back.
uuid_source uuid_v7_source(std::function<timestamp()> now, std::function<std::uint64_t()> random);

/// The time that a UUIDv7 begins with, and the smallest one of a time.
timestamp time_of(const uuid& id);
uuid id_at_time(timestamp time);

/// The wall clock and the operating system's randomness.
uuid_source system_uuid_source();

}  // namespace amc
