#include "api/json_body.hpp"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/stream_parser.hpp>

#include "core/time_text.hpp"

namespace amc::api {
namespace json = boost::json;

result<json::value> parse_body(std::string_view body) {
  json::parse_options options;
  options.max_depth = 32;
  json::stream_parser parser({}, options);
  parser.reset(json::make_shared_resource<json::monotonic_resource>());
  boost::system::error_code failed;
  const auto used = parser.write_some(body, failed);
  if (failed)
    return error{errc::invalid,
                 "The body is not valid JSON at byte " + std::to_string(used) + ": " + failed.message() + "."};
  if (!parser.done())
    return error{errc::invalid, "The body is not valid JSON at byte " + std::to_string(used) + ": it is incomplete."};
  if (body.find_first_not_of(" \t\r\n", used) != std::string_view::npos)
    return error{errc::invalid, "The body is not valid JSON at byte " + std::to_string(used) + ": more follows."};
  return parser.release();
}

result<std::string> text_in(const json::value& body) {
  const auto* fields = body.if_object();
  const auto* message = fields ? fields->if_contains("message") : nullptr;
  if (!message) return error{errc::invalid, "Missing the \"message\" attribute."};
  if (!message->is_string()) return error{errc::invalid, "The \"message\" attribute must be a string."};
  std::string text(message->get_string());
  if (text.find('\0') != std::string::npos)
    return error{errc::invalid, "The \"message\" attribute contains U+0000, which cannot be stored."};
  return text;
}

namespace {

result<std::optional<timestamp>> time_in(const json::value& body, const char* name) {
  const auto* value = body.get_object().if_contains(name);
  if (!value || value->is_null()) return std::optional<timestamp>();
  const auto time = value->is_string() ? parse_rfc3339(value->get_string()) : std::nullopt;
  if (!time)
    return error{errc::invalid, "The \"" + std::string(name) +
                                    "\" attribute must be a time like \"2026-11-24T06:19:33Z\" (RFC 3339)."};
  return time;
}

result<json::value> parse_message_body(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return error{errc::invalid, "Missing body content."};
  return parse_body(body);
}

}  // namespace

result<std::string> message_of(std::string_view body) {
  const auto parsed = parse_message_body(body);
  if (!parsed) return parsed.error();
  return text_in(*parsed);
}

result<new_message> new_message_of(std::string_view body) {
  const auto parsed = parse_message_body(body);
  if (!parsed) return parsed.error();
  auto text = text_in(*parsed);
  if (!text) return text.error();
  const auto deliver_at = time_in(*parsed, "deliver_at"), expires_at = time_in(*parsed, "expires_at");
  if (!deliver_at) return deliver_at.error();
  if (!expires_at) return expires_at.error();
  if (*deliver_at && *expires_at && **deliver_at >= **expires_at)
    return error{errc::invalid, "\"expires_at\" must be later than \"deliver_at\"."};
  return new_message{std::move(*text), *deliver_at, *expires_at};
}

}  // namespace amc::api
