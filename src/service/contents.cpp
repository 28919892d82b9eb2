#include "service/contents.hpp"

#include <set>

#include "core/base64.hpp"
#include "core/text.hpp"

namespace amc::service {
namespace json = boost::json;

content told_content(const std::string& said, content_form form, std::string content_type,
                     std::optional<std::vector<header>> headers) {
  content told = form == content_form::bytes ? to_base64(said) : said;
  told.form = form;
  told.content_type = std::move(content_type);
  told.headers = std::move(headers);
  return told;
}

std::optional<std::string> why_unfit(std::string_view text, content_form form,
                                     const std::optional<std::vector<header>>& headers) {
  std::set<std::string_view> names;
  if (headers)
    for (const auto& one : *headers)
      if (!names.insert(one.name).second) return "has the header \"" + escaped(one.name) + "\" twice";
  if (form == content_form::bytes) return {};
  const auto valid = valid_utf8_prefix(text);
  if (valid < text.size()) return "is not UTF-8 at byte " + std::to_string(valid);
  const auto zero = text.find('\0');
  if (zero != std::string::npos) return "contains U+0000, at byte " + std::to_string(zero);
  if (form == content_form::text) return {};
  boost::system::error_code failed;
  read_json(text, failed);
  if (failed) return "is no JSON: " + failed.message();
  const auto depth = json_depth(text);
  if (depth > json_depth_max)
    return "nests objects and lists " + std::to_string(depth) + " deep, and at most " + std::to_string(json_depth_max) +
           " are taken";
  return {};
}

void add_content(json_object_text& to, const content& said) {
  if (!said.content_type.empty()) to.add("content_type", said.content_type);
  if (said.headers) {
    json_object_text headers;
    for (const auto& h : *said.headers) headers.add(h.name, h.value);
    to.add_json("headers", headers.take());
  }
  if (said.form == content_form::bytes) to.add("message_base64", said.text);
  if (said.form == content_form::text) to.add("message", said.text);
  if (said.form == content_form::json) to.add_json("message", said.text);
}

read_content content_of(const json::object& item, std::string_view value) {
  read_content told;
  if (const auto* bytes = item.if_contains("message_base64")) {
    told.form = content_form::bytes;
    told.text = from_base64(bytes->as_string()).value();
  } else if (!value.empty()) {
    told.form = content_form::json;
    told.text = value;
  } else {
    told.text = item.at("message").as_string();
  }
  if (const auto* type = item.if_contains("content_type")) told.content_type = type->as_string();
  if (const auto* headers = item.if_contains("headers"))
    for (const auto& [name, text] : headers->as_object())
      told.headers.push_back({std::string(name), std::string(text.as_string())});
  return told;
}

std::string detail_of(const json::value& body) {
  const auto* fields = body.if_object();
  const auto* detail = fields ? fields->if_contains("detail") : nullptr;
  return detail && detail->is_string() ? std::string(detail->get_string()) : std::string();
}

}  // namespace amc::service
