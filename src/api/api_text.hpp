#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_body.hpp"
#include "broker/life_cycle.hpp"
#include "broker/maintenance/mass_retry.hpp"
#include "broker/messages.hpp"
#include "http/message.hpp"

/// How the HTTP API words its answers and reads what it is asked.
namespace amc::api {

/// RFC 9457 with the seed's two members; the seed's own path answers the same as plain JSON.
http::response problem(int status, std::string detail, bool root = false);
http::response refused(const error& why, bool root = false);
http::response json_reply(int status, const boost::json::value& body);

/// id, message, revision, status.
http::response represent(const message& m, int status);
/// With everything that an operator may want to know.
boost::json::object in_full(const message& m);

std::string entity_tag(const message& m);

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

/// One entry of POST /claims, /leases, /releases or /failures.
struct entry {
  event ready{};
  std::int64_t claim = 0;
  bool alone = false;
  std::string error{};
};
result<std::vector<entry>> parse_entries(const http::request& asked, bool with_claim, std::size_t max);

/// The entries of POST /answers; each names its revision.
result<std::vector<answer_request>> parse_answers(const http::request& asked, std::size_t max);

/// `deliver_at` and `expires_at` of the body, `Idempotency-Key` and `traceparent` of the header.
result<broker::life_cycle::accept_options> accept_options_of(const http::request& asked, const new_message& body,
                                                             milliseconds key_kept);

/// `status`, `queue`, `limit` and `after` of a query.
result<list_filter> parse_filter(const http::request& asked, std::size_t page_max);

/// `{"status": "dead"?, "queue"?, "error"?}`: the last is a part of the latest error.
result<broker::mass_retry::filter> parse_retry_filter(const std::string& body);

}  // namespace amc::api
