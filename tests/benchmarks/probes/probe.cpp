#include "tests/benchmarks/probes/probe.hpp"

#include <stdexcept>

#include "core/uuid_source.hpp"
#include "queue_system/event_codec.hpp"

namespace amc::benchmarks {

void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

std::vector<uuid> make_ids(std::size_t count) {
  static const auto next = system_uuid_source();
  std::vector<uuid> ids(count);
  for (auto& id : ids) id = next();
  return ids;
}

std::vector<std::string> make_events(std::size_t count) {
  std::vector<std::string> events;
  const auto event_ids = make_ids(count);
  for (const auto& id : make_ids(count))
    events.push_back(queue_system::encode({id, 1}, event_ids[events.size()], std::chrono::system_clock::now()));
  return events;
}

}  // namespace amc::benchmarks
