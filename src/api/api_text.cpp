#include "api/api_text.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "core/time_text.hpp"

namespace amc::api {
namespace json = boost::json;
namespace {

/// The one table from errors to HTTP.
int http_status(errc code) {
  switch (code) {
    case errc::invalid:
    case errc::unroutable:
    case errc::key_reused:
      return 422;
    case errc::not_found:
      return 404;
    case errc::terminal:
    case errc::held:
    case errc::needs_alone:
      return 409;
    case errc::stale:
      return 412;
    case errc::precondition:
      return 428;
    case errc::unreadable:
      return 503;
  }
  return 500;
}

const char* title(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 422:
      return "Unprocessable Content";
    case 428:
      return "Precondition Required";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

json::object brief(const message& m) {
  return {{"id", to_string(m.id)}, {"message", m.text}, {"revision", m.revision}, {"status", to_string(m.status)}};
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Of what a request asks for, so that a key that is used again for something else is noticed. Not a secret's hash.
std::string fingerprint(const new_message& body) {
  const auto count = [](const std::optional<timestamp>& time) {
    return time ? std::to_string(time->time_since_epoch().count()) : "-";
  };
  const auto all = count(body.deliver_at) + " " + count(body.expires_at) + " " + body.text;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(), digest);
  constexpr const char* digits = "0123456789abcdef";
  std::string hex;
  for (std::size_t i = 0; i < 16; ++i) hex.append(1, digits[digest[i] >> 4]).append(1, digits[digest[i] & 15]);
  return hex;
}

/// Longer reasons are cut: ten of them are kept with each message.
constexpr std::size_t error_max_bytes = 1'000;

/// At most so many bytes, cut between two characters of UTF-8.
std::string shortened(std::string_view text, std::size_t max) {
  if (text.size() <= max) return std::string(text);
  while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xc0) == 0x80) --max;
  return std::string(text.substr(0, max));
}

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
  if (why && (!why->is_string() || why->get_string().find('\0') != json::string::npos)) return {};
  entry parsed;
  if (why) parsed.error = shortened(why->get_string(), error_max_bytes);
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

http::response problem(int status, std::string detail, bool root) {
  // A detail may repeat what a client sent as an id or a path; the answer must be JSON all the same.
  for (char& byte : detail)
    if (static_cast<unsigned char>(byte) >= 0x80) byte = '?';
  const json::object body{{"error", true}, {"detail", detail}, {"status", status}, {"title", title(status)}};
  http::response reply{
      status, {{"Content-Type", root ? "application/json" : "application/problem+json"}}, json::serialize(body)};
  return reply;
}

http::response refused(const error& why, bool root) {
  return problem(http_status(why.code), why.detail, root);
}

json::object in_full(const message& m) {
  auto body = brief(m);
  if (!m.queue.empty()) body["queue"] = m.queue;
  if (m.status == status::pending) {
    body["due"] = to_rfc3339(m.due);
    body["held"] = m.held;
  }
  body["claim"] = m.claim;
  body["failures"] = m.failures;
  body["created_at"] = to_rfc3339(m.created_at);
  body["updated_at"] = to_rfc3339(m.updated_at);
  if (m.expires_at) body["expires_at"] = to_rfc3339(*m.expires_at);
  if (!m.traceparent.empty()) body["traceparent"] = m.traceparent;
  if (m.attempts.empty()) return body;
  json::array attempts;
  for (const auto& a : m.attempts) {
    json::object item{{"revision", a.revision}, {"claim", a.claim}, {"at", to_rfc3339(a.at)}, {"error", a.error}};
    attempts.push_back(std::move(item));
  }
  body["attempts"] = std::move(attempts);
  return body;
}

http::response json_reply(int status, const json::value& body) {
  http::response reply{status, {{"Content-Type", "application/json"}}, json::serialize(body)};
  return reply;
}

http::response represent(const message& m, int status) {
  // By hand: this is the answer to most requests.
  std::string body = "{\"id\":\"" + to_string(m.id) + "\",\"message\":";
  body += json::serialize(json::string_view(m.text));
  body += ",\"revision\":" + std::to_string(m.revision) + ",\"status\":\"" + to_string(m.status) + "\"}";
  http::response reply{status, {{"Content-Type", "application/json"}}, std::move(body)};
  return reply;
}

std::string entity_tag(const message& m) {
  auto tag = "\"" + std::to_string(m.revision);
  if (m.status != status::pending) tag += std::string("-") + to_string(m.status);
  return tag + "\"";
}

std::optional<milliseconds> preferred_wait(const http::request& asked) {
  const auto field = asked.headers.find("Prefer");
  if (!field) return {};
  std::string_view rest = *field;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    auto preference = trimmed(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    const auto equals = preference.find('=');
    if (equals == std::string_view::npos || trimmed(preference.substr(0, equals)) != "wait") continue;
    const auto value = trimmed(preference.substr(equals + 1, preference.find(';') - equals - 1));
    std::int64_t seconds = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (failed != std::errc() || end != value.data() + value.size() || seconds < 0) return {};
    return std::chrono::seconds(std::min<std::int64_t>(seconds, 86'400));
  }
  return {};
}

bool none_match_has(std::string_view field, std::string_view tag) {
  while (!field.empty()) {
    const auto comma = field.find(',');
    auto candidate = trimmed(field.substr(0, comma));
    field = comma == std::string_view::npos ? std::string_view{} : field.substr(comma + 1);
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate == "*" || candidate == tag) return true;
  }
  return false;
}

std::optional<if_match> parse_if_match(std::string_view field) {
  field = trimmed(field);
  if (field == "*") return if_match{true, 0};
  const bool weak = field.starts_with("W/");
  if (weak) field.remove_prefix(2);
  if (field.size() < 2 || field.front() != '"' || field.back() != '"') return {};
  const auto inside = field.substr(1, field.size() - 2);
  if (inside.find('"') != std::string_view::npos) return {};
  int revision = 0;
  const auto [end, failed] = std::from_chars(inside.data(), inside.data() + inside.size(), revision);
  const bool is_revision = failed == std::errc() && end == inside.data() + inside.size() && revision > 0;
  return if_match{false, weak || !is_revision ? 0 : revision};
}

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

result<broker::life_cycle::accept_options> accept_options_of(const http::request& asked, const new_message& body,
                                                             milliseconds key_kept) {
  broker::life_cycle::accept_options options{.deliver_at = body.deliver_at, .expires_at = body.expires_at};
  if (const auto key = asked.headers.find("Idempotency-Key")) {
    constexpr std::size_t key_max = 255;
    const bool printable = std::all_of(key->begin(), key->end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (key->empty() || key->size() > key_max || !printable)
      return error{errc::invalid, "An Idempotency-Key has 1 to 255 printable ASCII characters."};
    options.once = idempotency{*key, fingerprint(body), key_kept};
  }
  if (const auto trace = asked.headers.find("traceparent"); trace && is_traceparent(*trace))
    options.traceparent = *trace;
  return options;
}

result<list_filter> parse_filter(const http::request& asked, std::size_t page_max) {
  list_filter filter;
  if (const auto name = asked.parameter("status"); name && !name->empty()) {
    filter.status = parse_status(*name);
    if (!filter.status) return error{errc::invalid, "\"status\" is one of pending, done, dead, cancelled, expired."};
  }
  filter.queue = asked.parameter("queue").value_or("");
  if (const auto limit = asked.parameter("limit"); limit && !limit->empty()) {
    const auto [end, failed] = std::from_chars(limit->data(), limit->data() + limit->size(), filter.limit);
    if (failed != std::errc() || end != limit->data() + limit->size() || filter.limit < 1 || filter.limit > page_max)
      return error{errc::invalid, "\"limit\" is a number from 1 to " + std::to_string(page_max) + "."};
  }
  if (const auto after = asked.parameter("after"); after && !after->empty()) {
    const auto cursor = parse_uuid(*after);
    if (!cursor) return error{errc::invalid, "\"after\" is the \"next\" of the page before."};
    filter.after = *cursor;
  }
  return filter;
}

result<broker::mass_retry::filter> parse_retry_filter(const std::string& body) {
  broker::mass_retry::filter filter;
  if (body.find_first_not_of(" \t\r\n") == std::string::npos) return filter;
  const auto parsed = parse_body(body);
  if (!parsed) return parsed.error();
  const auto* fields = parsed->if_object();
  const error wrong{errc::invalid,
                    "Send {\"status\": \"dead\" or \"cancelled\", \"queue\": \"…\", \"error\": \"…\"}, each "
                    "or none of them."};
  if (!fields) return wrong;
  for (const auto& [name, value] : *fields) {
    if (!value.is_string()) return wrong;
    const std::string text(value.get_string());
    if (name == "queue")
      filter.queue = text;
    else if (name == "error")
      filter.error_part = text;
    else if (name == "status" && (text == "dead" || text == "cancelled"))
      filter.status = *parse_status(text);
    else
      return wrong;
  }
  return filter;
}

}  // namespace amc::api
