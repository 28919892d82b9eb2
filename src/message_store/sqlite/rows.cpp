#include "message_store/sqlite/rows.hpp"

namespace amc::message_store::sqlite {

row row_at(const statement& s) {
  auto found = std::make_shared<message>();
  found->id = s.id(0);
  found->revision = s.count(1);
  found->status = s.status(2);
  found->queue = s.text(3);
  found->due = s.time(4);
  found->held = s.flag(5);
  found->claim = s.number(6);
  found->unanswered = s.count(7);
  found->failures = s.count(8);
  found->created_at = s.time(9);
  found->updated_at = s.time(10);
  found->lease = s.duration(11);
  found->max_claims = s.count(12);
  found->attempts = s.attempts(13);
  if (!s.is_null(14)) found->expires_at = s.time(14);
  if (!s.is_null(15)) found->idempotency_key = s.text(15);
  found->fingerprint = s.text(16);
  found->traceparent = s.text(17);
  found->text = s.text(18);
  return found;
}

}  // namespace amc::message_store::sqlite
