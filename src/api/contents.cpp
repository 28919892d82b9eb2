#include "api/contents.hpp"

#include "api/wording.hpp"
#include "core/base64.hpp"
#include "core/json_text.hpp"
#include "core/time_text.hpp"

namespace amc::api {
namespace json = boost::json;
namespace {

error bad(std::string detail) {
  return {errc::invalid, std::move(detail)};
}

result<std::string> checked(const json::string& text, const char* attribute) {
  if (std::string_view(text).find('\0') != std::string_view::npos)
    return bad("The \"" + std::string(attribute) + "\" attribute contains U+0000, which cannot be stored.");
  return std::string(text);
}

bool is_token(std::string_view text) {
  constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

bool is_quoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return false;
  text = text.substr(1, text.size() - 2);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\') ++at;
    const bool printable = at < text.size() && text[at] >= ' ' && text[at] <= '~';
    if (!printable || (text[at] == '"' && text[at - 1] != '\\')) return false;
  }
  return true;
}

/// What stands before the next semicolon that is in no quotes.
std::string_view take_part(std::string_view& rest) {
  bool in_quotes = false;
  std::size_t end = 0;
  for (; end < rest.size() && (in_quotes || rest[end] != ';'); ++end) {
    if (in_quotes && rest[end] == '\\')
      ++end;
    else if (rest[end] == '"')
      in_quotes = !in_quotes;
  }
  end = std::min(end, rest.size());
  const auto part = trimmed(rest.substr(0, end), " \t");
  rest.remove_prefix(std::min(rest.size(), end + 1));
  return part;
}

/// type/subtype, and parameters, as RFC 9110 has it.
bool is_media_type(std::string_view text) {
  const auto type = take_part(text);
  const auto slash = type.find('/');
  if (slash == std::string_view::npos || !is_token(type.substr(0, slash)) || !is_token(type.substr(slash + 1)))
    return false;
  while (!text.empty()) {
    const auto parameter = take_part(text);
    if (parameter.empty()) continue;
    const auto equals = parameter.find('=');
    if (equals == std::string_view::npos || !is_token(parameter.substr(0, equals))) return false;
    const auto value = parameter.substr(equals + 1);
    if (!is_token(value) && !is_quoted(value)) return false;
  }
  return true;
}

result<std::string> content_type_in(const json::object& fields) {
  constexpr std::size_t max_bytes = 255;
  const auto* value = fields.if_contains("content_type");
  if (!value) return std::string();
  if (!value->is_string() || value->get_string().size() > max_bytes || !is_media_type(value->get_string()))
    return bad("The \"content_type\" attribute must be a media type of at most " + std::to_string(max_bytes) +
               " bytes, like \"text/plain\" or \"application/json; charset=utf-8\".");
  return std::string(value->get_string());
}

result<std::optional<std::vector<header>>> headers_in(const json::object& fields) {
  const auto* value = fields.if_contains("headers");
  if (!value) return std::optional<std::vector<header>>();
  const auto* members = value->if_object();
  if (!members) return bad("The \"headers\" attribute must be an object of names and texts.");
  std::vector<header> headers;
  for (const auto& [name, text] : *members) {
    if (name.empty()) return bad("A header's name is empty.");
    if (!text.is_string()) return bad("The header " + in_quotes(name) + " must be a string.");
    auto told = checked(text.get_string(), "headers");
    if (!told) return told.error();
    headers.push_back({std::string(name), std::move(*told)});
  }
  return std::optional(std::move(headers));
}

result<content> bytes_in(const json::value& value) {
  const auto* text = value.if_string();
  if (!text || !from_base64(*text))
    return bad(
        "The \"message_base64\" attribute must be bytes in base64 (RFC 4648, with padding, without white space).");
  content said{std::string(*text)};
  said.form = content_form::bytes;
  said.content_type = "application/octet-stream";
  return said;
}

result<content> value_in(const json::object& fields, std::string_view written) {
  if (fields.at("message").is_string()) return text_in(fields);
  content said{std::string(member_text(written, "message"))};
  if (const auto depth = json_depth(said.text); depth > json_depth_max)
    return bad("The \"message\" attribute nests objects and lists " + std::to_string(depth) + " deep; at most " +
               std::to_string(json_depth_max) + " are taken.");
  said.form = content_form::json;
  said.content_type = "application/json";
  return said;
}

}  // namespace

result<content> text_in(const json::object& fields) {
  const auto* message = fields.if_contains("message");
  if (!message) return bad("Missing the \"message\" attribute.");
  if (!message->is_string()) return bad("The \"message\" attribute must be a string.");
  auto text = checked(message->get_string(), "message");
  if (!text) return text.error();
  return content(std::move(*text));
}

result<content> content_in(const json::object& fields, std::string_view written) {
  const auto* bytes = fields.if_contains("message_base64");
  if (bytes && fields.contains("message"))
    return bad("Give either a \"message\" or a \"message_base64\", and not both.");
  if (!bytes && !fields.contains("message")) return text_in(fields);
  auto said = bytes ? bytes_in(*bytes) : value_in(fields, written);
  if (!said || fields.size() == 1) return said;
  auto type = content_type_in(fields);
  if (!type) return type.error();
  if (!type->empty()) said->content_type = std::move(*type);
  auto headers = headers_in(fields);
  if (!headers) return headers.error();
  said->headers = std::move(*headers);
  return said;
}

void add_content(json_object_text& to, const message& m) {
  if (m.form == content_form::bytes)
    to.add("message_base64", m.text);
  else if (m.form == content_form::json)
    to.add_json("message", m.text);
  else
    to.add("message", m.text);
  if (!m.content_type.empty()) to.add("content_type", m.content_type);
  if (m.headers.empty()) return;
  json_object_text headers;
  for (const auto& h : m.headers) headers.add(h.name, h.value);
  to.add_json("headers", headers.take());
}

void add_claim(json_object_text& to, const message& claimed) {
  to.add("claim", claimed.claim);
  to.add("lease_ms", claimed.lease.count());
  to.add("queue", claimed.queue);
  add_content(to, claimed);
  to.add("attempt", attempt_of(claimed));
  to.add("created_at", to_rfc3339(claimed.created_at));
  if (!claimed.tracestate.empty()) to.add("tracestate", claimed.tracestate);
}

}  // namespace amc::api
