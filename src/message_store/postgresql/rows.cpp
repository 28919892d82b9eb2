#include "message_store/postgresql/rows.hpp"

#include "message_store/attempts.hpp"

namespace amc::message_store::postgresql {

row row_at(const PGresult* r, int at) {
  auto found = std::make_shared<message>();
  found->id = parse_uuid(text_at(r, at, 2)).value();
  found->revision = static_cast<int>(number_at(r, at, 3));
  found->status = parse_status(text_at(r, at, 4)).value_or(status::dead);
  found->queue = text_at(r, at, 5);
  found->due = time_at(r, at, 6);
  found->held = *PQgetvalue(r, at, 7) == 't';
  found->claim = number_at(r, at, 8);
  found->unanswered = static_cast<int>(number_at(r, at, 9));
  found->failures = static_cast<int>(number_at(r, at, 10));
  found->created_at = time_at(r, at, 11);
  found->updated_at = time_at(r, at, 12);
  found->lease = milliseconds(number_at(r, at, 13));
  found->max_claims = static_cast<int>(number_at(r, at, 14));
  found->attempts = parse_attempts(text_at(r, at, 15));
  if (!PQgetisnull(r, at, 16)) found->expires_at = time_at(r, at, 16);
  found->idempotency_key = text_at(r, at, 17);
  found->fingerprint = text_at(r, at, 18);
  found->traceparent = text_at(r, at, 19);
  found->text = text_at(r, at, 20);
  return found;
}

}  // namespace amc::message_store::postgresql
