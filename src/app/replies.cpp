#include "app/replies.hpp"

#include <boost/json.hpp>

#include "core/base64.hpp"
#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/text.hpp"
#include "service/contents.hpp"

namespace amc::app {
namespace json = boost::json;

namespace {

std::string no_broker(const http::response& reply) {
  constexpr std::size_t shown_max = 200;
  return "what answers there is no broker, check consumer_services.broker_client.url: \"" +
         made_valid(shortened(trimmed(reply.body), shown_max)) + "\"";
}

}  // namespace

std::string reason_of(const http::response& reply) {
  boost::system::error_code not_json;
  const auto detail = service::detail_of(read_json(reply.body, not_json));
  return (detail.empty() ? no_broker(reply) : detail) + " (" + std::to_string(reply.status) + ")";
}

json::value told_by(const http::response& reply, std::string_view member) {
  boost::system::error_code not_json;
  auto told = read_json(reply.body, not_json);
  if (not_json || !told.is_object() || !told.get_object().contains(member))
    throw startup_error(no_broker(reply) + " (" + std::to_string(reply.status) + ")");
  return told;
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
