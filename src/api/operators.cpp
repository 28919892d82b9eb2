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
  if (!fields)
    return error{errc::invalid, R"(Send {"status": "dead" or "cancelled", "queue": "…", "error": "…"}, each or none.)"};
  constexpr std::string_view known[] = {"status", "queue", "error"};
  if (const auto checked = only_known(*fields, known); !checked) return checked.error();
  for (const auto& [name, value] : *fields) {
    const auto refuse = [&](const char* what) {
      return error{errc::invalid, in_quotes(name) + " must be " + what + "."};
    };
    if (!value.is_string()) return refuse("a string");
    std::string text(value.get_string());
    if (text.find('\0') != std::string::npos) return refuse("a string without U+0000");
    if (name == "status" && text != "dead" && text != "cancelled") return refuse(R"("dead" or "cancelled")");
    if (name == "status") filter.status = *parse_status(text);
    if (name == "queue") filter.queue = std::move(text);
    if (name == "error") filter.error_part = std::move(text);
  }
  return filter;
}

}  // namespace

task<http::response> get_queues(context& api, http::request&, visitor& who) {
  const auto queues = co_await api.messages->queues(who.by);
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
    json::object left;
    for (const auto& [engine, count] : q.left) left[engine] = count ? json::value(*count) : json::value();
    if (!left.empty()) item["left"] = std::move(left);
    list.push_back(std::move(item));
  }
  const json::object body{{"queues", std::move(list)}};
  co_return json_reply(200, json::serialize(body));
}

task<http::response> get_retries(context& api, http::request&, visitor& who) {
  co_return json_reply(200, json::serialize(progress(api.retries->now(who.by))));
}

task<http::response> post_retries(context& api, http::request& asked, visitor& who) {
  const auto filter = parse_retry_filter(asked.body);
  if (!filter) co_return refused(filter.error());
  const auto& queue = filter->queue;
  const bool may =
      !who.by || (queue.empty() ? who.by->where(right::operate).has_all() : who.may(right::operate, queue));
  const auto subject = queue.empty() ? std::string("all queues") : "queue " + in_quotes(queue);
  if (!may) {
    const auto why = broker::life_cycle::forbidden();
    note_refusal(who, why, subject);
    co_return refused(why);
  }
  const auto started = api.retries->start(
      *filter, who.by, [identity = api.identity](const principal& by) { return identity->again(by); });
  if (!started) co_return refused(started.error());
  note_operation(who, subject, "mass retry started");
  co_return json_reply(200, json::serialize(progress(*started)));
}

}  // namespace amc::api
