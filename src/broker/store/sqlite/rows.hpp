#pragma once

#include <string>

#include "amc/store.hpp"
#include "broker/store/sqlite/database.hpp"

namespace amc::broker::sqlite {

/// Of a row, in the order in which it is read.
inline const std::string columns =
    "id, revision, status, queue, due, held, claim, unanswered, failures, created_at, updated_at, lease, max_claims, "
    "attempts, expires_at, idempotency_key, fingerprint, traceparent, text";

row row_at(const statement& s);

}  // namespace amc::broker::sqlite
