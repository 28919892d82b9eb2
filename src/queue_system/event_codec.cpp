#include "queue_system/event_codec.hpp"

#include <boost/json.hpp>

namespace amc::queue_system {
namespace json = boost::json;
namespace {

constexpr std::string_view event_type = "amc.message.ready";

std::string rfc3339(std::chrono::system_clock::time_point time) {
  const auto since_epoch = std::chrono::floor<milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = since_epoch / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char whole[40];
  const auto size = std::strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S.", &parts);
  const auto fraction = std::to_string(1000 + since_epoch % 1000);
  return std::string(whole, size) + fraction.substr(1) + "Z";
}

error undecodable(std::string why) {
  return {errc::invalid, std::move(why)};
}

}  // namespace

std::string encode(const event& ready, const uuid& event_id, std::chrono::system_clock::time_point time) {
  // No text of a user goes in, so nothing needs escaping.
  const auto id = to_string(ready.id);
  std::string out;
  out.reserve(320);
  out += R"({"specversion":"1.0","id":")";
  out += to_string(event_id);
  out += R"(","source":"/amc/broker","type":"amc.message.ready","subject":")";
  out += id;
  out += R"(","time":")";
  out += rfc3339(time);
  out += R"(","datacontenttype":"application/json","data":{"id":")";
  out += id;
  out += R"(","revision":)";
  out += std::to_string(ready.revision);
  out += "}}";
  return out;
}

result<event> decode(std::string_view bytes) {
  boost::system::error_code failed;
  const auto parsed = json::parse(bytes, failed);
  if (failed) return undecodable("not JSON: " + failed.message());
  const auto* envelope = parsed.if_object();
  if (!envelope) return undecodable("not a JSON object");
  const auto* type = envelope->if_contains("type");
  if (!type || !type->is_string() || std::string_view(type->get_string()) != event_type)
    return undecodable("its type is not " + std::string(event_type));
  const auto* data = envelope->if_contains("data");
  const auto* fields = data ? data->if_object() : nullptr;
  if (!fields) return undecodable("it has no data object");
  const auto* id = fields->if_contains("id");
  const auto* revision = fields->if_contains("revision");
  if (!id || !id->is_string() || !revision || !revision->is_int64())
    return undecodable("its data has no id and revision");
  const auto parsed_id = parse_uuid(id->get_string());
  if (!parsed_id) return undecodable("its id is not a UUID");
  if (revision->get_int64() < 1 || revision->get_int64() > INT32_MAX)
    return undecodable("its revision is out of range");
  return event{*parsed_id, static_cast<int>(revision->get_int64())};
}

}  // namespace amc::queue_system
