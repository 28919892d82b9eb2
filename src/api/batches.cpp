#include "api/batches.hpp"

#include <algorithm>

#include "api/json_body.hpp"
#include "api/reading.hpp"
#include "core/json_text.hpp"

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

result<std::int64_t> claim_number_in(const json::object& fields) {
  return number_in(fields, "claim", INT64_MIN, INT64_MAX);
}

result<claimed> claimed_in(const json::object& fields, std::string_view = {}) {
  const auto ready = event_in(fields);
  if (!ready) return ready.error();
  const auto claim = claim_number_in(fields);
  if (!claim) return claim.error();
  return claimed{*ready, *claim};
}

result<claim_request> claim_in(const json::object& fields, std::string_view) {
  const auto ready = event_in(fields);
  if (!ready) return ready.error();
  const auto* alone = fields.if_contains("alone");
  if (alone && !alone->is_bool()) return bad("\"alone\" must be true or false");
  return claim_request{*ready, alone && alone->get_bool()};
}

result<failed_claim> failure_in(const json::object& fields, std::string_view) {
  const auto what = claimed_in(fields);
  if (!what) return what.error();
  const auto* why = fields.if_contains("error");
  if (why && !why->is_string()) return bad("\"error\" must be a string");
  const auto* is_final = fields.if_contains("final");
  if (is_final && !is_final->is_bool()) return bad("\"final\" must be true or false");
  return failed_claim{*what, why ? std::string(why->get_string()) : std::string(), is_final && is_final->get_bool()};
}

result<answer_request> answer_in(const json::object& fields, std::string_view written) {
  const auto ready = event_in(fields);
  if (!ready) return ready.error();
  auto said = content_in(fields, written);
  if (!said) return said.error();
  auto to = destination_in(fields);
  if (!to) return to.error();
  answer_request answer{ready->id, ready->revision, std::move(*said), std::move(*to), {}};
  if (!fields.contains("claim")) return answer;
  const auto claim = claim_number_in(fields);
  if (!claim) return claim.error();
  answer.claim = *claim;
  return answer;
}

/// What an entry of a list is like.
template <class Entry>
struct shape {
  std::span<const std::string_view> known;
  const char* example;
  result<Entry> (*read)(const json::object& fields, std::string_view written);
};

/// As they are written, where one of them has a value that must be taken so. `written()`: the JSON of the list.
template <class Written>
std::vector<std::string_view> written_items(const json::array& list, const Written& written) {
  for (const auto& item : list)
    if (const auto* fields = item.if_object())
      if (const auto* message = fields->if_contains("message"); message && !message->is_string())
        return item_texts(written());
  return std::vector<std::string_view>(list.size());
}

/// Every entry; the first that cannot be read is named.
template <class Entry, class Written>
result<std::vector<Entry>> entries_of(const json::value& body, const Written& written, std::size_t max,
                                      const shape<Entry>& each) {
  const auto* list = body.if_array();
  if (!list || list->size() > max)
    return bad("Send an array of at most " + std::to_string(max) + " entries (broker.http.claims_max).");
  std::vector<Entry> entries;
  entries.reserve(list->size());
  const auto items = written_items(*list, written);
  const auto refuse = [&](std::string why) {
    if (why.ends_with('.')) why.pop_back();
    return bad("Entry " + std::to_string(entries.size()) + ": " + why + ". An entry is like " + each.example + ".");
  };
  for (const auto& item : *list) {
    const auto* fields = item.if_object();
    if (!fields) return refuse("it is no object");
    if (const auto checked = only_known(*fields, each.known); !checked) return refuse(checked.error().detail);
    auto entry = each.read(*fields, items[entries.size()]);
    if (!entry) return refuse(entry.error().detail);
    entries.push_back(std::move(*entry));
  }
  return entries;
}

template <class Entry>
result<std::vector<Entry>> entries_in(const http::request& asked, std::size_t max, const shape<Entry>& each) {
  const auto body = parse_body(asked.body);
  if (!body) return body.error();
  return entries_of(
      *body, [&] { return std::string_view(asked.body); }, max, each);
}

constexpr std::string_view claim_members[] = {"id", "revision", "alone"};
constexpr std::string_view claimed_members[] = {"id", "revision", "claim"};
constexpr std::string_view failure_members[] = {"id", "revision", "claim", "error", "final"};
constexpr std::string_view answer_members[] = {"id",           "revision", "claim", "message", "message_base64",
                                               "content_type", "headers",  "queue", "done"};

constexpr shape<claim_request> a_claim{claim_members, R"({"id": "…", "revision": 1}, with or without "alone": true)",
                                       claim_in};
constexpr shape<claimed> a_claimed{claimed_members, R"({"id": "…", "revision": 1, "claim": 1})", claimed_in};
constexpr shape<failed_claim> a_failure{
    failure_members, R"({"id": "…", "revision": 1, "claim": 1, "error": "…"}, with or without "final": true)",
    failure_in};
constexpr shape<answer_request> an_answer{
    answer_members, R"({"id": "…", "revision": 1, "message": "…"}, with or without "claim", "queue" or "done")",
    answer_in};

/// A list that an object may have; none where it has not.
template <class Entry>
result<void> list_in(const json::object& fields, std::string_view written, const char* name, std::size_t max,
                     const shape<Entry>& each, std::vector<Entry>& list) {
  const auto* value = fields.if_contains(name);
  if (!value) return {};
  auto entries = entries_of(
      *value, [&] { return member_text(written, name); }, max, each);
  if (!entries) return bad("\"" + std::string(name) + "\": " + entries.error().detail);
  list = std::move(*entries);
  return {};
}

/// `bound`: the key of the greatest; empty: there is none.
result<void> count_in(const json::object& fields, const char* name, std::size_t max, std::size_t& count,
                      const std::string& bound = "") {
  if (!fields.if_contains(name)) return {};
  const auto number = number_in(fields, name, 0, static_cast<std::int64_t>(max));
  if (!number) return bad(number.error().detail + (bound.empty() ? "" : " (" + bound + ")"));
  count = static_cast<std::size_t>(*number);
  return {};
}

result<void> name_in(const json::object& fields, const char* name, std::string& told) {
  constexpr std::size_t name_max_bytes = 200;
  const auto* value = fields.if_contains(name);
  if (!value) return {};
  const auto* text = value->if_string();
  if (!text || text->empty() || text->size() > name_max_bytes || has_control(*text))
    return bad("\"" + std::string(name) + "\" must be a string of 1 to " + std::to_string(name_max_bytes) +
               " bytes without control characters");
  told = value->get_string();
  return {};
}

}  // namespace

result<std::vector<claim_request>> parse_claims(const http::request& asked, std::size_t max) {
  return entries_in(asked, max, a_claim);
}

result<std::vector<claimed>> parse_claimed(const http::request& asked, std::size_t max) {
  return entries_in(asked, max, a_claimed);
}

result<std::vector<failed_claim>> parse_failures(const http::request& asked, std::size_t max) {
  return entries_in(asked, max, a_failure);
}

result<std::vector<answer_request>> parse_answers(const http::request& asked, std::size_t max) {
  return entries_in(asked, max, an_answer);
}

result<receive_body> parse_receive(const http::request& asked, std::size_t max, std::size_t max_bytes) {
  receive_body told;
  told.max_bytes = max_bytes;
  if (asked.body.empty()) return told;
  const auto body = parse_body(asked.body);
  if (!body) return body.error();
  const auto* fields = body->if_object();
  if (!fields) return bad("Send an object, or no body at all.");
  constexpr std::string_view known[] = {"max",     "max_bytes", "service", "worker",  "in_hand",
                                        "answers", "failures",  "leases",  "releases"};
  if (const auto checked = only_known(*fields, known); !checked) return checked.error();
  constexpr std::size_t in_hand_max = 1'000'000, bytes_max = std::size_t{1} << 40;
  for (const auto& read :
       {count_in(*fields, "max", max, told.max, "broker.http.claims_max"),
        count_in(*fields, "max_bytes", bytes_max, told.max_bytes),
        count_in(*fields, "in_hand", in_hand_max, told.in_hand), name_in(*fields, "service", told.service),
        name_in(*fields, "worker", told.worker), list_in(*fields, asked.body, "answers", max, an_answer, told.answers),
        list_in(*fields, asked.body, "failures", max, a_failure, told.failures),
        list_in(*fields, asked.body, "leases", max, a_claimed, told.leases),
        list_in(*fields, asked.body, "releases", max, a_claimed, told.releases)})
    if (!read) return read.error();
  told.max_bytes = std::min(told.max_bytes, max_bytes);
  return told;
}

namespace {

/// One entry of a list of new messages.
result<broker::accept_request> new_message_in(const json::value& item, std::string_view written,
                                              const http::request& asked, const std::optional<std::string>& queue,
                                              milliseconds key_kept) {
  const auto* fields = item.if_object();
  if (!fields) return bad(R"(It is no object. A new message is like {"message": "…"}.)");
  std::vector<std::string_view> known(std::begin(new_message_members), std::end(new_message_members));
  known.emplace_back("idempotency_key");
  if (const auto checked = only_known(*fields, known); !checked) return checked.error();
  auto body = api::new_message_in(*fields, written);
  if (!body) return body.error();
  if (auto wrong = queue ? send_to(*body, *queue) : std::nullopt) return *std::move(wrong);
  const auto* key = fields->if_contains("idempotency_key");
  if (key && !key->is_string()) return bad("The \"idempotency_key\" attribute must be a string.");
  auto options =
      accept_options_of(asked, *body, key ? std::optional(std::string(key->get_string())) : std::nullopt, key_kept);
  if (!options) return options.error();
  return broker::accept_request{{}, std::move(body->said), std::move(*options)};
}

}  // namespace

result<std::vector<result<broker::accept_request>>> parse_new_messages(const http::request& asked,
                                                                       const std::optional<std::string>& queue,
                                                                       std::size_t max, milliseconds key_kept) {
  const auto body = parse_body(asked.body);
  if (!body) return body.error();
  const auto& list = body->as_array();
  if (list.size() > max)
    return bad("Send at most " + std::to_string(max) + " new messages at once (broker.http.claims_max).");
  if (asked.headers.find("Idempotency-Key"))
    return bad("An Idempotency-Key is for one message: give each its own as \"idempotency_key\".");
  const auto items = written_items(list, [&] { return std::string_view(asked.body); });
  std::vector<result<broker::accept_request>> entries;
  entries.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i)
    entries.push_back(new_message_in(list[i], items[i], asked, queue, key_kept));
  return entries;
}

}  // namespace amc::api
