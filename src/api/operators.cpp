#include "api/json_body.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"

namespace amc::api {
namespace json = boost::json;
namespace {

json::object progress(const broker::mass_retry::state& of) {
  json::object body{{"running", of.running}, {"retried", of.retried}, {"refused", of.refused}};
  if (!of.stopped_because.empty()) body["stopped_because"] = of.stopped_because;
  return body;
}

/// `{"status": "dead"?, "queue"?, "error"?}`: the last is a part of the latest error.
result<broker::mass_retry::filter> parse_retry_filter(const std::string& body) {
  broker::mass_retry::filter filter;
  if (body.find_first_not_of(" \t\r\n") == std::string::npos) return filter;
  const auto parsed = parse_body(body);
  if (!parsed) return parsed.error();
  const auto* fields = parsed->if_object();
  const error wrong{errc::invalid,
                    "Send {\"status\": \"dead\" or \"cancelled\", \"queue\": \"…\", \"error\": \"…\"}, each "
                    "or none of them."};
  if (!fields) return wrong;
  for (const auto& [name, value] : *fields) {
    if (!value.is_string()) return wrong;
    const std::string text(value.get_string());
    if (name == "queue")
      filter.queue = text;
    else if (name == "error")
      filter.error_part = text;
    else if (name == "status" && (text == "dead" || text == "cancelled"))
      filter.status = *parse_status(text);
    else
      return wrong;
  }
  return filter;
}

}  // namespace

task<http::response> get_queues(context& api, const http::request&) {
  const auto queues = co_await api.messages->queues();
  const auto now = co_await api.messages->store_time();
  json::array list;
  for (const auto& q : queues) {
    json::object item{{"queue", q.counts.queue},
                      {"pending", q.counts.pending},
                      {"due", q.counts.due},
                      {"held", q.counts.held},
                      {"dead", q.counts.dead}};
    item["oldest_age_ms"] = q.counts.oldest ? json::value((now - *q.counts.oldest).count()) : json::value();
    item["engine_depth"] = q.depth ? json::value(*q.depth) : json::value();
    list.push_back(std::move(item));
  }
  const json::object body{{"queues", std::move(list)}};
  co_return json_reply(200, body);
}

task<http::response> get_retries(context& api, const http::request&) {
  co_return json_reply(200, progress(api.retries->now()));
}

task<http::response> post_retries(context& api, const http::request& asked) {
  const auto filter = parse_retry_filter(asked.body);
  if (!filter) co_return refused(filter.error());
  const auto started = api.retries->start(*filter);
  if (!started) co_return refused(started.error());
  co_return json_reply(200, progress(*started));
}

}  // namespace amc::api
