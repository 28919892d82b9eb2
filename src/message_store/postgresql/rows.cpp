#include "message_store/postgresql/rows.hpp"

#include "message_store/attempts.hpp"
#include "message_store/row_fault.hpp"

namespace amc::message_store::postgresql {

namespace {

row readable_row_at(const PGresult* r, int at) {
  auto found = std::make_shared<message>();
  found->id = id_at(r, at);
  found->revision = checked_count(number_at(r, at, 3));
  found->status = checked_status(text_at(r, at, 4));
  found->queue = text_at(r, at, 5);
  found->due = checked_time(number_at(r, at, 6));
  found->held = *PQgetvalue(r, at, 7) == 't';
  found->claim = number_at(r, at, 8);
  found->unanswered = checked_count(number_at(r, at, 9));
  found->failures = checked_count(number_at(r, at, 10));
  found->created_at = checked_time(number_at(r, at, 11));
  found->updated_at = checked_time(number_at(r, at, 12));
  found->lease = checked_duration(number_at(r, at, 13));
  found->max_claims = checked_count(number_at(r, at, 14));
  found->attempts = parse_attempts(text_at(r, at, 15));
  if (!PQgetisnull(r, at, 16)) found->expires_at = checked_time(number_at(r, at, 16));
  found->idempotency_key = text_at(r, at, 17);
  found->fingerprint = text_at(r, at, 18);
  found->traceparent = text_at(r, at, 19);
  found->text = text_at(r, at, 20);
  return found;
}

}  // namespace

uuid id_at(const PGresult* r, int at) {
  return parse_uuid(text_at(r, at, 2)).value();
}

found_row row_at(const PGresult* r, int at, unreadable_rows& faults) {
  const auto id = id_at(r, at);
  try {
    auto found = readable_row_at(r, at);
    faults.forget(id);
    return {.now = std::move(found)};
  } catch (const row_fault& fault) {
    faults.note(to_string(id), fault);
    return {.unreadable = true};
  }
}

}  // namespace amc::message_store::postgresql
