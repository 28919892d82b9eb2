#include "api/batches.hpp"

#include "api/json_body.hpp"

namespace amc::api {
namespace json = boost::json;
namespace {

error bad(std::string detail) {
  return {errc::invalid, std::move(detail)};
}

/// A number as an integer is written: 1.0 and 1e0 are none, and neither is what fits into no 64 bits.
result<std::int64_t> number_in(const json::object& fields, std::string_view name, std::int64_t min, std::int64_t max) {
  const auto* value = fields.if_contains(name);
  if (value && value->is_int64() && value->get_int64() >= min && value->get_int64() <= max) return value->get_int64();
  return bad("\"" + std::string(name) + "\" must be a whole number from " + std::to_string(min) + " to " +
             std::to_string(max) + ", without a fraction or an exponent");
}

/// `id` and `revision`. An id that is no UUID belongs to no message: it is answered not_found like any unknown one.
result<event> event_in(const json::object& fields) {
  const auto* id = fields.if_contains("id");
  if (!id || !id->is_string()) return bad("\"id\" must be a string");
  const auto revision = number_in(fields, "revision", 1, INT32_MAX);
  if (!revision) return revision.error();
  return event{parse_uuid(id->get_string()).value_or(uuid{}), static_cast<int>(*revision), {}};
}

result<claimed> claimed_in(const json::object& fields) {
  const auto ready = event_in(fields);
  if (!ready) return ready.error();
  const auto claim = number_in(fields, "claim", INT64_MIN, INT64_MAX);
  if (!claim) return claim.error();
  return claimed{*ready, *claim};
}

result<claim_request> claim_in(const json::object& fields) {
  const auto ready = event_in(fields);
  if (!ready) return ready.error();
  const auto* alone = fields.if_contains("alone");
  if (alone && !alone->is_bool()) return bad("\"alone\" must be true or false");
  return claim_request{*ready, alone && alone->get_bool()};
}

result<failed_claim> failure_in(const json::object& fields) {
  const auto what = claimed_in(fields);
  if (!what) return what.error();
  const auto* why = fields.if_contains("error");
  if (why && !why->is_string()) return bad("\"error\" must be a string");
  return failed_claim{*what, why ? std::string(why->get_string()) : std::string()};
}

result<answer_request> answer_in(const json::object& fields) {
  const auto ready = event_in(fields);
  if (!ready) return ready.error();
  auto text = text_in(fields);
  if (!text) return text.error();
  return answer_request{ready->id, ready->revision, std::move(*text)};
}

/// Every entry, read by `read`; the first that cannot be read is named.
template <class Entry, class Read>
result<std::vector<Entry>> entries_in(const http::request& asked, std::size_t max,
                                      std::span<const std::string_view> known, const char* example, const Read& read) {
  const auto body = parse_body(asked.body);
  if (!body) return body.error();
  const auto* list = body->if_array();
  if (!list || list->size() > max)
    return bad("Send an array of at most " + std::to_string(max) + " entries (broker.http.claims_max).");
  std::vector<Entry> entries;
  entries.reserve(list->size());
  const auto refuse = [&](std::string why) {
    if (why.ends_with('.')) why.pop_back();
    return bad("Entry " + std::to_string(entries.size()) + ": " + why + ". An entry is like " + example + ".");
  };
  for (const auto& item : *list) {
    const auto* fields = item.if_object();
    if (!fields) return refuse("it is no object");
    if (const auto checked = only_known(*fields, known); !checked) return refuse(checked.error().detail);
    auto entry = read(*fields);
    if (!entry) return refuse(entry.error().detail);
    entries.push_back(std::move(*entry));
  }
  return entries;
}

}  // namespace

result<std::vector<claim_request>> parse_claims(const http::request& asked, std::size_t max) {
  constexpr std::string_view known[] = {"id", "revision", "alone"};
  return entries_in<claim_request>(asked, max, known, R"({"id": "…", "revision": 1}, with or without "alone": true)",
                                   claim_in);
}

result<std::vector<claimed>> parse_claimed(const http::request& asked, std::size_t max) {
  constexpr std::string_view known[] = {"id", "revision", "claim"};
  return entries_in<claimed>(asked, max, known, R"({"id": "…", "revision": 1, "claim": 1})", claimed_in);
}

result<std::vector<failed_claim>> parse_failures(const http::request& asked, std::size_t max) {
  constexpr std::string_view known[] = {"id", "revision", "claim", "error"};
  return entries_in<failed_claim>(asked, max, known, R"({"id": "…", "revision": 1, "claim": 1, "error": "…"})",
                                  failure_in);
}

result<std::vector<answer_request>> parse_answers(const http::request& asked, std::size_t max) {
  constexpr std::string_view known[] = {"id", "revision", "message"};
  return entries_in<answer_request>(asked, max, known, R"({"id": "…", "revision": 1, "message": "…"})", answer_in);
}

}  // namespace amc::api
