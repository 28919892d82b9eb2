#include <cstdio>

#include "queue_system/event_codec.hpp"

/// Prints events as queues carry them, one a line.
int main() {
  const auto id = amc::parse_uuid("019ab2c4-5c0e-7000-b1e3-2f5d1c2a9b70").value();
  const auto event_id = amc::parse_uuid("019ab2c4-5c10-7000-9d0e-7d6d1f0c4a11").value();
  const amc::event events[] = {
      {id, 1, {}}, {id, INT32_MAX, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, {event_id, 17, {}}};
  for (const auto& ready : events)
    for (const auto second : {0, 1'795'471'999})
      std::puts(
          amc::queue_system::encode(ready, event_id, std::chrono::sys_seconds(std::chrono::seconds(second))).c_str());
}
