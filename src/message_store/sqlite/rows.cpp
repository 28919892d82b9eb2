#include "message_store/sqlite/rows.hpp"

#include "message_store/attempts.hpp"

namespace amc::message_store::sqlite {

row row_at(const statement& s) {
  auto found = std::make_shared<message>();
  found->id = s.id(0);
  found->revision = static_cast<int>(s.number(1));
  found->status = parse_status(s.text(2)).value_or(status::dead);
  found->queue = s.text(3);
  found->due = s.time(4);
  found->held = s.number(5) != 0;
  found->claim = s.number(6);
  found->unanswered = static_cast<int>(s.number(7));
  found->failures = static_cast<int>(s.number(8));
  found->created_at = s.time(9);
  found->updated_at = s.time(10);
  found->lease = milliseconds(s.number(11));
  found->max_claims = static_cast<int>(s.number(12));
  found->attempts = parse_attempts(s.text(13));
  if (!s.is_null(14)) found->expires_at = s.time(14);
  if (!s.is_null(15)) found->idempotency_key = s.text(15);
  found->fingerprint = s.text(16);
  found->traceparent = s.text(17);
  found->text = s.text(18);
  return found;
}

}  // namespace amc::message_store::sqlite
