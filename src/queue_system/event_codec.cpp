#include "queue_system/event_codec.hpp"

#include <boost/json.hpp>

#include "core/time_text.hpp"

namespace amc::queue_system {
namespace json = boost::json;
namespace {

constexpr std::string_view event_type = "amc.message.ready";

error undecodable(std::string why) {
  return {errc::invalid, std::move(why)};
}

}  // namespace

std::string encode(const event& ready, const uuid& event_id, std::chrono::system_clock::time_point time) {
  // No text of a user goes in but a traceparent, which is checked: nothing needs escaping.
  const auto id = to_string(ready.id);
  std::string out;
  out.reserve(320);
  out += R"({"specversion":"1.0","id":")";
  out += to_string(event_id);
  out += R"(","source":"/amc/broker","type":"amc.message.ready","subject":")";
  out += id;
  out += R"(","time":")";
  out += to_rfc3339(std::chrono::time_point_cast<milliseconds>(time));
  if (!ready.traceparent.empty()) out.append(R"(","traceparent":")").append(ready.traceparent);
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
  event ready{*parsed_id, static_cast<int>(revision->get_int64()), {}};
  const auto* trace = envelope->if_contains("traceparent");
  if (trace && trace->is_string() && is_traceparent(trace->get_string())) ready.traceparent = trace->get_string();
  return ready;
}

}  // namespace amc::queue_system
