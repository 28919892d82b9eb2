#pragma once

#include <optional>
#include <string_view>

#include "amc/store.hpp"
#include "api/json_body.hpp"
#include "broker/life_cycle.hpp"
#include "http/message.hpp"

/// What header fields and queries ask for.
namespace amc::api {

/// `Prefer: wait=N`, in seconds (RFC 7240). Other preferences, and one that cannot be read, are ignored, as it says.
std::optional<milliseconds> preferred_wait(const http::request& asked);

/// `If-None-Match` against a tag; comparison is weak, as for every GET.
bool none_match_has(std::string_view field, std::string_view tag);

/// What `If-Match` asks for: any revision, one, or one that no message has.
struct if_match {
  bool any = false;
  int revision = 0;
};
/// Nothing for a field that is not `*` or one entity tag.
std::optional<if_match> parse_if_match(std::string_view field);

/// `deliver_at` and `expires_at` of the body, `Idempotency-Key` and `traceparent` of the header.
result<broker::life_cycle::accept_options> accept_options_of(const http::request& asked, const new_message& body,
                                                             milliseconds key_kept);

/// `status`, `queue`, `limit` and `after` of a query.
result<list_filter> parse_filter(const http::request& asked, std::size_t page_max);

}  // namespace amc::api
