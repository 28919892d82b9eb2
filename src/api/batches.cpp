#include "api/batches.hpp"

#include "api/json_body.hpp"

namespace amc::api {
namespace json = boost::json;
namespace {

std::optional<entry> parse_entry(const json::value& item, bool with_claim) {
  const auto* fields = item.if_object();
  if (!fields) return {};
  const auto* id = fields->if_contains("id");
  const auto* revision = fields->if_contains("revision");
  const auto* claim = fields->if_contains("claim");
  const auto* alone = fields->if_contains("alone");
  if (!id || !id->is_string() || !revision || !revision->is_int64()) return {};
  if (revision->get_int64() < 1 || revision->get_int64() > INT32_MAX) return {};
  if (with_claim && (!claim || !claim->is_int64())) return {};
  if (alone && !alone->is_bool()) return {};
  const auto* why = fields->if_contains("error");
  if (why && !why->is_string()) return {};
  entry parsed;
  if (why) parsed.error = why->get_string();
  // An id that is no UUID belongs to no message: it is answered not_found like any other unknown one.
  parsed.ready = {parse_uuid(id->get_string()).value_or(uuid{}), static_cast<int>(revision->get_int64()), {}};
  if (with_claim) parsed.claim = claim->get_int64();
  parsed.alone = alone && alone->get_bool();
  return parsed;
}

/// An array of at most so many.
result<json::array> list_in(const http::request& asked, std::size_t max) {
  auto body = parse_body(asked.body);
  if (!body) return body.error();
  auto* list = body->if_array();
  if (!list || list->size() > max)
    return error{errc::invalid, "Send an array of at most " + std::to_string(max) + " entries."};
  return std::move(*list);
}

}  // namespace

result<std::vector<entry>> parse_entries(const http::request& asked, bool with_claim, std::size_t max) {
  const auto list = list_in(asked, max);
  if (!list) return list.error();
  std::vector<entry> entries;
  for (const auto& item : *list) {
    auto parsed = parse_entry(item, with_claim);
    if (!parsed)
      return error{errc::invalid, "Entry " + std::to_string(entries.size()) +
                                      " must be like {\"id\": \"…\", \"revision\": 1" +
                                      (with_claim ? ", \"claim\": 1}." : "}, with or without \"alone\": true.")};
    entries.push_back(std::move(*parsed));
  }
  return entries;
}

result<std::vector<answer_request>> parse_answers(const http::request& asked, std::size_t max) {
  const auto list = list_in(asked, max);
  if (!list) return list.error();
  std::vector<answer_request> answers;
  for (const auto& item : *list) {
    const auto name = "Entry " + std::to_string(answers.size());
    const auto parsed = parse_entry(item, false);
    if (!parsed)
      return error{errc::invalid, name + " must be like {\"id\": \"…\", \"revision\": 1, \"message\": \"…\"}."};
    auto text = text_in(item);
    if (!text) return error{errc::invalid, name + ": " + text.error().detail};
    answers.push_back({parsed->ready.id, parsed->ready.revision, std::move(*text)});
  }
  return answers;
}

}  // namespace amc::api
