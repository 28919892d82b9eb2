#include "core/uuid_source.hpp"

#include "core/environment.hpp"

namespace amc {

uuid_source uuid_v7_source(std::function<timestamp()> now, std::function<std::uint64_t()> random) {
  // One number holds milliseconds and counter, so a counter that runs over just borrows from the next millisecond.
  constexpr int counter_bits = 12;
  return [now = std::move(now), random = std::move(random), last = std::uint64_t{0}]() mutable {
    const auto since_1970_ms = static_cast<std::uint64_t>(now().time_since_epoch().count());
    last = std::max(last + 1, since_1970_ms << counter_bits);
    const std::uint64_t high = ((last >> counter_bits) << 16) | 0x7000 | (last & 0xfff);
    const std::uint64_t low = (random() & 0x3fff'ffff'ffff'ffff) | 0x8000'0000'0000'0000;
    uuid id{};
    for (int i = 0; i < 8; ++i) {
      id.data[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
      id.data[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
    }
    return id;
  };
}

timestamp time_of(const uuid& id) {
  std::int64_t since_1970_ms = 0;
  for (int i = 0; i < 6; ++i) since_1970_ms = since_1970_ms << 8 | id.data[i];
  return timestamp(milliseconds(since_1970_ms));
}

uuid id_at_time(timestamp time) {
  uuid id{};
  const auto since_1970_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.time_since_epoch().count()));
  for (int i = 0; i < 6; ++i) id.data[i] = static_cast<std::uint8_t>(since_1970_ms >> (40 - 8 * i));
  return id;
}

uuid_source system_uuid_source() {
  return uuid_v7_source(system_wall_clock, system_random);
}

}  // namespace amc
