#include "telemetry/otlp.hpp"

#include <boost/json/parse.hpp>
#include <charconv>
#include <map>

#include "core/json_text.hpp"

namespace amc::telemetry {
namespace {

/// Numbers of SpanKind and of StatusCode.
enum kind { internal = 1, client = 3, producer = 4, consumer = 5 };
constexpr int status_error = 2;

/// As the conventions have it: who settles or receives is a client of whoever keeps the message.
kind kind_of(operation what) {
  switch (what) {
    case operation::send:
      return producer;
    case operation::process:
      return consumer;
    case operation::wait:
      return internal;
    default:
      return client;
  }
}

/// `messaging.operation.type`; null where the conventions have none.
const char* type_of(operation what) {
  switch (what) {
    case operation::wait:
      return nullptr;
    case operation::answer:
    case operation::fail:
      return "settle";
    default:
      return to_string(what);
  }
}

/// A list of KeyValue.
class attributes {
 public:
  void add(std::string_view name, std::string_view text) {
    if (text.empty()) return;
    json_object_text value;
    value.add("stringValue", text);
    add_value(name, value.take());
  }
  void add(std::string_view name, std::int64_t number) {
    if (number == 0) return;
    json_object_text value;
    value.add("intValue", std::to_string(number));  // 64 bits are a text
    add_value(name, value.take());
  }
  std::string take() { return "[" + std::move(list_) + "]"; }

 private:
  void add_value(std::string_view name, std::string_view value) {
    json_object_text one;
    one.add("key", name);
    one.add_json("value", value);
    if (!list_.empty()) list_ += ',';
    list_ += one.take();
  }

  std::string list_;
};

std::string attributes_of(const span& s) {
  attributes all;
  all.add("messaging.system", "amc");
  all.add("messaging.operation.name", to_string(s.operation));
  if (const char* type = type_of(s.operation)) all.add("messaging.operation.type", type);
  all.add("messaging.destination.name", s.queue);
  all.add("messaging.message.id", amc::to_string(s.message));
  all.add("messaging.amc.revision", s.revision);
  all.add("messaging.amc.claim", s.claim);
  all.add("messaging.amc.attempt", s.attempt);
  all.add("messaging.amc.holder", s.holder);
  all.add("messaging.amc.next_queue", s.next_queue);
  all.add("error.type", s.error_type);
  return all.take();
}

std::string json_of(const span& s) {
  json_object_text one;
  one.add("traceId", trace_digits(s.context));
  one.add("spanId", span_digits(s.context.span));
  if (!s.tracestate.empty()) one.add("traceState", s.tracestate);
  if (s.parent != 0) one.add("parentSpanId", span_digits(s.parent));
  one.add("flags", static_cast<int>(s.context.flags));
  one.add("name", to_string(s.operation) + (s.queue.empty() ? "" : " " + s.queue));
  one.add("kind", static_cast<int>(kind_of(s.operation)));
  one.add("startTimeUnixNano", std::to_string(s.begun));
  one.add("endTimeUnixNano", std::to_string(s.ended));
  one.add_json("attributes", attributes_of(s));
  if (!s.error_type.empty()) {
    json_object_text status;
    status.add("message", s.error);
    status.add("code", status_error);
    one.add_json("status", status.take());
  }
  return one.take();
}

std::string resource_of(const std::string& service, const std::string& spans) {
  attributes named;
  named.add("service.name", service);
  json_object_text resource, scope, scoped, all;
  resource.add_json("attributes", named.take());
  scope.add("name", "amc");
  scoped.add_json("scope", scope.take());
  scoped.add_json("spans", "[" + spans + "]");
  scoped.add("schemaUrl", schema_url);
  all.add_json("resource", resource.take());
  all.add_json("scopeSpans", "[" + scoped.take() + "]");
  all.add("schemaUrl", schema_url);
  return all.take();
}

}  // namespace

std::string otlp_json(const std::vector<span>& spans) {
  std::map<std::string, std::string> of_services;
  for (const auto& s : spans) {
    auto& list = of_services[s.service ? *s.service : ""];
    if (!list.empty()) list += ',';
    list += json_of(s);
  }
  std::string resources;
  for (const auto& [service, list] : of_services) {
    if (!resources.empty()) resources += ',';
    resources += resource_of(service, list);
  }
  return R"({"resourceSpans":[)" + resources + "]}";
}

rejection rejected_by(std::string_view response) {
  boost::system::error_code failed;
  const auto read = boost::json::parse(response, failed);
  const auto* object = failed ? nullptr : read.if_object();
  const auto* partial = object ? object->if_contains("partialSuccess") : nullptr;
  const auto* told = partial ? partial->if_object() : nullptr;
  if (!told) return {};
  rejection said;
  if (const auto* count = told->if_contains("rejectedSpans")) {
    if (const auto* text = count->if_string())
      std::from_chars(text->data(), text->data() + text->size(), said.spans);
    else if (const auto* number = count->if_int64(); number && *number > 0)
      said.spans = static_cast<std::size_t>(*number);
  }
  if (const auto* why = told->if_contains("errorMessage"); why && why->is_string()) said.why = why->as_string();
  return said;
}

}  // namespace amc::telemetry
