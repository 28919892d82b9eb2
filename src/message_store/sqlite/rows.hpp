#pragma once

#include <string>

#include "amc/store.hpp"
#include "message_store/sqlite/database.hpp"

namespace amc::message_store::sqlite {

/// Of a row, in the order in which it is read.
inline const std::string columns =
    "id, revision, status, queue, due, held, claim, unanswered, failures, created_at, updated_at, lease, max_claims, "
    "attempts, expires_at, idempotency_key, fingerprint, traceparent, text";

row row_at(const statement& s);

}  // namespace amc::message_store::sqlite
