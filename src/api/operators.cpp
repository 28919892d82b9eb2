#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cmath>

#include "api/json_body.hpp"
#include "api/reading.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"
#include "core/time_text.hpp"

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
    if (name == "queue" && text.empty()) return refuse("the name of a queue; leave it out for all");
    if (name == "status" && text != "dead" && text != "cancelled") return refuse(R"("dead" or "cancelled")");
    if (name == "status")
      filter.status = *parse_status(text);
    else
      (name == "queue" ? filter.queue : filter.error_part) = std::move(text);
  }
  return filter;
}

}  // namespace

namespace {

template <class T>
json::value or_null(const std::optional<T>& value) {
  if constexpr (std::is_same_v<T, milliseconds>)
    return value ? json::value(value->count()) : json::value();
  else
    return value ? json::value(*value) : json::value();
}

/// With as many digits as mean something.
double rounded(double per_second) {
  return std::round(per_second * 1'000) / 1'000;
}

json::object told(context& api, const broker::messages::queue_state& q) {
  json::object item{{"queue", q.counts.queue},
                    {"pending", q.counts.pending},
                    {"due", q.counts.due},
                    {"held", q.counts.held},
                    {"dead", q.counts.dead},
                    {"oldest_age_ms", or_null(q.oldest_age)},
                    {"engine_depth", or_null(q.depth)},
                    {"rate_in_per_s", rounded(q.seen.in_per_s)},
                    {"rate_out_per_s", rounded(q.seen.out_per_s)},
                    {"rate_failed_per_s", rounded(q.seen.failed_per_s)},
                    {"receivers", api.receivers->parked_for(q.counts.queue)},
                    {"services", services_told(q.seen.services)},
                    {"paused", paused_told(q.paused ? &*q.paused : nullptr)}};
  json::object left;
  for (const auto& [engine, count] : q.left) left[engine] = or_null(count);
  if (!left.empty()) item["left"] = std::move(left);
  return item;
}

}  // namespace

task<http::response> get_queues(context& api, http::request&, visitor& who) {
  const auto queues = co_await api.messages->queues(who.by);
  json::array list;
  for (const auto& q : queues) list.push_back(told(api, q));
  const json::object body{{"queues", std::move(list)}};
  co_return json_reply(200, json::serialize(body));
}

task<http::response> get_queue(context& api, http::request& asked, visitor& who) {
  const auto name = segment_of(asked, 1);
  if (const auto wrong = api.messages->refuses_queue(name, who.by)) co_return refused(*wrong);
  const auto queues = co_await api.messages->queues(who.by);
  const auto is_it = [&](const auto& q) { return q.counts.queue == name; };
  const auto found = std::find_if(queues.begin(), queues.end(), is_it);
  broker::messages::queue_state nothing;
  nothing.counts.queue = name;
  co_return json_reply(200, json::serialize(told(api, found == queues.end() ? nothing : *found)));
}

task<http::response> get_queue_rates(context& api, http::request& asked, visitor& who) {
  const auto name = segment_of(asked, 1);
  if (const auto wrong = api.messages->refuses_queue(name, who.by)) co_return refused(*wrong);
  const auto now = co_await api.messages->store_time();
  json::array points;
  for (const auto& p : api.messages->seen().series(name))
    points.push_back({{"at", to_rfc3339(now - p.began_ago)},
                      {"in", p.in},
                      {"out", p.out},
                      {"failed", p.failed},
                      {"p50_ms", or_null(p.p50)},
                      {"p99_ms", or_null(p.p99)},
                      {"pending", or_null(p.pending)},
                      {"oldest_age_ms", or_null(p.oldest_age)}});
  const milliseconds length = broker::activity::point_length;
  const json::object body{{"queue", name}, {"point_ms", length.count()}, {"points", std::move(points)}};
  co_return json_reply(200, json::serialize(body));
}

task<http::response> get_configuration(context& api, http::request&, visitor&) {
  json::array keys;
  for (const auto& key : api.options.settings->keys()) {
    json::object item{{"key", key.path}, {"value", key.value}, {"origin", key.origin}};
    keys.push_back(std::move(item));
  }
  const json::object body{{"configuration", std::move(keys)}};
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
