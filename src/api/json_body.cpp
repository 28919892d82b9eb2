#include "api/json_body.hpp"

#include <algorithm>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/stream_parser.hpp>
#include <forward_list>

#include "api/wording.hpp"
#include "core/json_text.hpp"
#include "core/text.hpp"
#include "core/time_text.hpp"

namespace amc::api {
namespace json = boost::json;

namespace {

/// In valid JSON: the name of a member that an object has twice. The parser would take the last one.
std::optional<std::string> repeated_member(std::string_view body) {
  std::vector<std::string_view> names;  // of the objects under way, the innermost last
  std::vector<std::size_t> begins;      // where each object's names begin
  names.reserve(16);
  begins.reserve(4);
  std::forward_list<std::string> read;  // names that are written with escapes
  for (std::size_t at = 0; at < body.size(); ++at) {
    if (body[at] == '{') begins.push_back(names.size());
    if (body[at] == '}') {
      const auto first = names.begin() + static_cast<std::ptrdiff_t>(begins.back());
      std::sort(first, names.end());
      if (const auto twice = std::adjacent_find(first, names.end()); twice != names.end()) return std::string(*twice);
      names.erase(first, names.end());
      begins.pop_back();
    }
    if (body[at] != '"') continue;
    const auto text = body.substr(at, end_of_json_string(body, at) - at);
    at += text.size() - 1;
    const auto next = body.find_first_not_of(" \t\r\n", at + 1);
    if (next == std::string_view::npos || body[next] != ':') continue;
    const bool plain = text.find('\\') == std::string_view::npos;
    names.push_back(plain ? text.substr(1, text.size() - 2) : read.emplace_front(json::parse(text).as_string()));
  }
  return {};
}

}  // namespace

result<json::value> parse_body(std::string_view body) {
  json::parse_options options;
  options.max_depth = json_depth_max + json_around_depth_max;
  unsigned char for_what_is_short[2048];
  json::stream_parser parser({}, options, for_what_is_short);
  parser.reset(json::make_shared_resource<json::monotonic_resource>());
  boost::system::error_code failed;
  const auto used = parser.write_some(body, failed);
  if (!failed && !parser.done()) parser.finish(failed);  // a number ends with the body
  if (failed == json::error::incomplete) failed.clear();
  if (failed == json::error::too_deep)
    return error{errc::invalid, "The body nests objects and lists more than " + std::to_string(options.max_depth) +
                                    " deep, at byte " + std::to_string(used) + "; what a message says may have " +
                                    std::to_string(json_depth_max) + "."};
  if (failed)
    return error{errc::invalid,
                 "The body is not valid JSON at byte " + std::to_string(used) + ": " + failed.message() + "."};
  if (!parser.done())
    return error{errc::invalid, "The body is not valid JSON at byte " + std::to_string(used) + ": it is incomplete."};
  if (body.find_first_not_of(" \t\r\n", used) != std::string_view::npos)
    return error{errc::invalid, "The body is not valid JSON at byte " + std::to_string(used) + ": more follows."};
  if (const auto name = repeated_member(body))
    return error{errc::invalid, "The body names the attribute \"" + escaped(*name) + "\" twice in one object."};
  return parser.release();
}

result<void> only_known(const json::object& fields, std::span<const std::string_view> known) {
  for (const auto& [name, value] : fields)
    if (std::find(known.begin(), known.end(), std::string_view(name)) == known.end())
      return error{errc::invalid, unknown_name("attribute", name, known)};
  return {};
}

namespace {

result<std::optional<timestamp>> time_in(const json::object& fields, const char* name) {
  const auto* value = fields.if_contains(name);
  if (!value || value->is_null()) return std::optional<timestamp>();
  const auto time = value->is_string() ? parse_rfc3339(value->get_string()) : std::nullopt;
  if (!time)
    return error{errc::invalid, "The \"" + std::string(name) +
                                    "\" attribute must be a time like \"2026-11-24T06:19:33Z\" (RFC 3339)."};
  return time;
}

/// The object that a body is; the refusals of what is none are the seed's.
result<json::object> parse_message_body(std::string_view body, std::span<const std::string_view> known,
                                        others unknown) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return error{errc::invalid, "Missing body content."};
  auto parsed = parse_body(body);
  if (!parsed) return parsed.error();
  auto* fields = parsed->if_object();
  if (!fields) return text_in({}).error();
  if (unknown == others::ignored) return std::move(*fields);
  if (const auto checked = only_known(*fields, known); !checked) return checked.error();
  return std::move(*fields);
}

}  // namespace

result<std::optional<destination>> destination_in(const json::object& fields, others unknown) {
  if (unknown == others::ignored) return std::optional<destination>();
  const auto* queue = fields.if_contains("queue");
  const auto* done = fields.if_contains("done");
  if (queue && !queue->is_string()) return error{errc::invalid, "The \"queue\" attribute must be a string."};
  if (done && !done->is_bool()) return error{errc::invalid, "The \"done\" attribute must be true or false."};
  const bool is_done = done && done->get_bool();
  if (queue && is_done) return error{errc::invalid, "Give either a \"queue\" or \"done\": true, and not both."};
  if (is_done) return std::optional<destination>(to_done{});
  if (queue) return std::optional<destination>(to_queue{std::string(queue->get_string())});
  return std::optional<destination>();
}

namespace {

result<content> said_in(const json::object& fields, std::string_view written, others unknown) {
  return unknown == others::ignored ? text_in(fields) : content_in(fields, written);
}

}  // namespace

result<answer_body> answer_of(std::string_view body, others unknown) {
  constexpr std::string_view known[] = {"message", "message_base64", "content_type", "headers", "queue", "done"};
  const auto parsed = parse_message_body(body, known, unknown);
  if (!parsed) return parsed.error();
  auto said = said_in(*parsed, body, unknown);
  if (!said) return said.error();
  auto to = destination_in(*parsed, unknown);
  if (!to) return to.error();
  return answer_body{std::move(*said), std::move(*to)};
}

namespace {

bool is_blank(std::string_view body) {
  return body.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// The object that a body is, with no other members than these.
result<json::object> object_of(std::string_view body, std::span<const std::string_view> known, const char* what) {
  auto parsed = is_blank(body) ? result<json::value>(json::object()) : parse_body(body);
  if (!parsed) return parsed.error();
  auto* fields = parsed->if_object();
  if (!fields) return error{errc::invalid, std::string("Send ") + what + "."};
  if (const auto checked = only_known(*fields, known); !checked) return checked.error();
  return std::move(*fields);
}

}  // namespace

result<void> says_nothing(std::string_view body) {
  const auto fields = object_of(body, {}, "no body, or {}");
  if (!fields) return fields.error();
  return {};
}

result<second_try_body> second_try_of(std::string_view body) {
  constexpr std::string_view known[] = {"message", "message_base64", "content_type", "headers", "queue"};
  const auto fields = object_of(body, known, R"(no body, or {"message": "…", "queue": "…"}, each or none)");
  if (!fields) return fields.error();
  second_try_body told;
  const auto to = destination_in(*fields);
  if (!to) return to.error();
  if (*to) told.queue = std::get<to_queue>(**to).name;
  if (fields->size() == (told.queue ? 1 : 0)) return told;
  auto said = content_in(*fields, body);
  if (!said) return said.error();
  told.said = *std::move(said);
  return told;
}

result<std::string> queue_of_move(std::string_view body) {
  constexpr std::string_view known[] = {"queue"};
  const auto fields = object_of(body, known, R"({"queue": "…"})");
  if (!fields) return fields.error();
  const auto to = destination_in(*fields);
  if (!to) return to.error();
  if (!*to) return error{errc::invalid, "Missing the \"queue\" attribute: the queue that the message is to wait in."};
  return std::get<to_queue>(**to).name;
}

result<new_message> new_message_in(const json::object& fields, std::string_view written, others unknown) {
  auto said = said_in(fields, written, unknown);
  if (!said) return said.error();
  auto to = destination_in(fields, unknown);
  if (!to) return to.error();
  const auto deliver_at = time_in(fields, "deliver_at"), expires_at = time_in(fields, "expires_at");
  if (!deliver_at) return deliver_at.error();
  if (*deliver_at && *to && std::holds_alternative<to_done>(**to))
    return error{errc::invalid, "What is done is delivered to nobody: give either \"done\": true or a \"deliver_at\"."};
  if (!expires_at) return expires_at.error();
  if (*deliver_at && *expires_at && **deliver_at >= **expires_at)
    return error{errc::invalid, "\"expires_at\" must be later than \"deliver_at\"."};
  return new_message{std::move(*said), std::move(*to), *deliver_at, *expires_at};
}

result<new_message> new_message_of(std::string_view body, others unknown) {
  const auto parsed = parse_message_body(body, new_message_members, unknown);
  if (!parsed) return parsed.error();
  return new_message_in(*parsed, body, unknown);
}

std::optional<error> send_to(new_message& body, std::string queue) {
  const auto* named = body.to ? std::get_if<to_queue>(&*body.to) : nullptr;
  if (body.to && !(named && named->name == queue))
    return error{errc::invalid, "The path names the queue " + in_quotes(queue) + ", and the body another destination."};
  body.to = to_queue{std::move(queue)};
  return {};
}

}  // namespace amc::api
