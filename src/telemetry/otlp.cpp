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

void begin_item(std::string& to) {
  if (to.back() != '[') to += ',';
}

/// One KeyValue more in a list. What is empty or 0 is left out.
void append(std::string& to, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  begin_item(to);
  to.append(R"({"key":")").append(name).append(R"(","value":{"stringValue":)");
  append_json_string(to, text);
  to += "}}";
}
void append(std::string& to, std::string_view name, std::int64_t number) {
  if (number == 0) return;
  begin_item(to);
  // 64 bits are a text.
  to.append(R"({"key":")").append(name).append(R"(","value":{"intValue":")");
  to.append(std::to_string(number)).append("\"}}");
}

void append_attributes(std::string& to, const span& s) {
  const char* type = type_of(s.operation);
  append(to, "messaging.system", "amc");
  append(to, "messaging.operation.name", to_string(s.operation));
  append(to, "messaging.operation.type", type ? type : "");
  append(to, "messaging.destination.name", s.queue);
  append(to, "messaging.message.id", amc::to_string(s.message));
  append(to, "messaging.amc.revision", s.revision);
  append(to, "messaging.amc.claim", s.claim);
  append(to, "messaging.amc.attempt", s.attempt);
  append(to, "messaging.amc.holder", s.holder);
  append(to, "messaging.amc.next_queue", s.next_queue);
  append(to, "error.type", s.error_type);
}

void append(std::string& to, const span& s) {
  begin_item(to);
  to.append(R"({"traceId":")").append(trace_digits(s.context));
  to.append(R"(","spanId":")").append(span_digits(s.context.span));
  if (s.parent != 0) to.append(R"(","parentSpanId":")").append(span_digits(s.parent));
  to.append(R"(","flags":)").append(std::to_string(s.context.flags));
  if (!s.tracestate.empty()) append_json_string(to += R"(,"traceState":)", s.tracestate);
  append_json_string(to += R"(,"name":)", to_string(s.operation) + (s.queue.empty() ? "" : " " + s.queue));
  to.append(R"(,"kind":)").append(std::to_string(kind_of(s.operation)));
  to.append(R"(,"startTimeUnixNano":")").append(std::to_string(s.begun));
  to.append(R"(","endTimeUnixNano":")").append(std::to_string(s.ended));
  append_attributes(to += R"(","attributes":[)", s);
  to += ']';
  if (!s.error_type.empty()) {
    append_json_string(to += R"(,"status":{"message":)", s.error);
    to.append(R"(,"code":)").append(std::to_string(status_error)).append("}");
  }
  to += '}';
}

/// What is around the spans of one service. A viewer may suspect clocks where hosts differ, or are not told.
void append_resource(std::string& to, const std::string& service, const std::string& host, std::string_view spans) {
  const auto schema = R"(,"schemaUrl":")" + std::string(schema_url) + '"';
  begin_item(to);
  append(to += R"({"resource":{"attributes":[)", "service.name", service);
  append(to, "host.name", host);
  to.append(R"(]},"scopeSpans":[{"scope":{"name":"amc"},"spans":)").append(spans).append(schema);
  to.append("}]").append(schema).append("}");
}

}  // namespace

std::string otlp_json(const std::vector<span>& spans, const std::string& host) {
  std::map<std::string_view, std::string> of_services;
  for (const auto& s : spans) {
    auto& list = of_services.try_emplace(s.service ? std::string_view(*s.service) : "", "[").first->second;
    append(list, s);
  }
  std::string all = R"({"resourceSpans":[)";
  for (auto& [service, list] : of_services) append_resource(all, std::string(service), host, list += ']');
  return all += "]}";
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
