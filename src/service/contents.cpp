#include "service/contents.hpp"

#include <boost/json/serialize.hpp>

#include "core/base64.hpp"

namespace amc::service {
namespace json = boost::json;

std::string written_with(json::object item, const content& said) {
  if (!said.content_type.empty()) item["content_type"] = said.content_type;
  if (said.headers) {
    json::object headers;
    for (const auto& h : *said.headers) headers[h.name] = h.value;
    item["headers"] = std::move(headers);
  }
  if (said.form == content_form::bytes) item["message_base64"] = said.text;
  if (said.form == content_form::text) item["message"] = said.text;
  auto text = json::serialize(item);
  if (said.form != content_form::json) return text;
  text.pop_back();
  text.append(item.empty() ? "\"message\":" : ",\"message\":").append(said.text).append("}");
  return text;
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

}  // namespace amc::service
