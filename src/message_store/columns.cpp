#include "message_store/columns.hpp"

namespace amc::message_store {

std::string names(std::span<const column> of, std::string_view prefix) {
  std::string list;
  for (const auto& c : of) list.append(list.empty() ? "" : ", ").append(prefix).append(c.name);
  return list;
}

due_row due_row_of(const message& read, bool expired) {
  return {.id = read.id,
          .revision = read.revision,
          .queue = read.queue,
          .due = read.due,
          .held = read.held,
          .unanswered = read.unanswered,
          .used_up = read.unanswered >= read.max_claims,
          .expired = expired,
          .traceparent = read.traceparent};
}

}  // namespace amc::message_store
