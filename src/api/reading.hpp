#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "api/json_body.hpp"
#include "broker/life_cycle.hpp"
#include "http/message.hpp"
#include "message_store/store.hpp"

/// What header fields and queries ask for.
namespace amc::api {

/// Why the query is refused: it cannot be decoded (400), or has a parameter that is none of these, comes twice, or is
/// no text (422). The root ignores what it does not know, as the seed does.
std::optional<http::response> query_fault(const http::request& asked, std::span<const std::string_view> known,
                                          bool root);

/// Whether the body comes in an encoding (`Content-Encoding`) other than as it is.
bool is_encoded(const http::request& asked);

/// `Prefer: wait=N`, in seconds (RFC 7240). Other preferences, and one that cannot be read, are ignored, as it says.
std::optional<milliseconds> preferred_wait(const http::request& asked);

/// What was honoured of it, for the answer.
void note_wait(http::response& reply, std::optional<milliseconds> preferred, milliseconds longest);

/// What stands behind the so-many-th slash of a path; empty when there is no such segment.
std::string_view segment(std::string_view path, std::size_t index);

/// A segment of the path, decoded; 0 is the first. As it stands where it cannot be decoded.
std::string segment_of(const http::request& asked, std::size_t index);

/// `If-None-Match` against a tag; comparison is weak, as for every GET.
bool none_match_has(std::string_view field, std::string_view tag);

/// What `If-Match` asks for: any revision, or one of these. A tag that a pending message cannot have adds none.
struct if_match {
  bool any = false;
  std::vector<int> revisions{};
};
/// Nothing for a field that is neither `*` nor a list of entity tags (RFC 9110).
std::optional<if_match> parse_if_match(std::string_view field);

/// Where the body says to, its times, `traceparent` and `tracestate` of the header, and the idempotency key.
result<broker::life_cycle::accept_options> accept_options_of(const http::request& asked, const new_message& body,
                                                             std::optional<std::string> key, milliseconds key_kept);

/// `status`, `queue`, `limit` and `after` of a query.
result<list_filter> parse_filter(const http::request& asked, std::size_t page_max);

}  // namespace amc::api
