#include "broker/endings.hpp"

#include "core/log.hpp"

namespace amc::broker {

void note_end(messages_metrics& numbers, const message& now) {
  if (now.status == status::pending) return;
  numbers.ended(now);
  const log::about subject{now.id, now.revision};
  if (now.status == status::dead)
    log::warning("broker", "dead: " + (now.attempts.empty() ? std::string() : now.attempts.back().error), subject);
  if (now.status == status::expired) log::info("sweeper", "expired", subject);
}

}  // namespace amc::broker
