#include "app/replies.hpp"

#include <boost/json.hpp>

#include "core/base64.hpp"
#include "core/json_text.hpp"
#include "core/text.hpp"
#include "service/contents.hpp"

namespace amc::app {
namespace json = boost::json;

std::string reason_of(const http::response& reply) {
  boost::system::error_code not_json;
  const auto detail = service::detail_of(json::parse(reply.body, not_json));
  const auto why =
      !detail.empty() ? detail : "what answers there is no broker: " + std::string(shortened(reply.body, 200));
  return why + " (" + std::to_string(reply.status) + ")";
}

std::string json_line(std::string_view body) {
  return escaped(trimmed(body)) + "\n";
}

std::string said_in(const json::object& message, std::string_view written) {
  if (const auto* bytes = message.if_contains("message_base64"))
    return from_base64(bytes->as_string()).value_or(std::string());
  const auto& said = message.at("message");
  return said.is_string() ? std::string(said.get_string()) : std::string(member_text(written, "message"));
}

}  // namespace amc::app
