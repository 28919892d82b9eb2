#include <boost/json/serialize.hpp>

#include "api/resources.hpp"
#include "api/wording.hpp"

namespace amc::api {
namespace json = boost::json;
namespace {

void tell_counted(context& api, const broker::messages::queue_state& q) {
  const auto tell = [&](metrics::gauges& family, const prometheus::Labels& labels, double value) {
    auto& gauge = family.Add(labels);
    gauge.Set(value);
    api.counted.emplace_back(&family, &gauge);
  };
  const auto& queue = q.counts.queue;
  auto& in_store = api.env.metrics->gauge("amc_messages", "Messages in the store");
  tell(in_store, {{"status", "pending"}, {"queue", queue}}, static_cast<double>(q.counts.pending));
  tell(in_store, {{"status", "dead"}, {"queue", queue}}, static_cast<double>(q.counts.dead));
  const auto age = std::chrono::duration<double>(q.oldest_age.value_or(milliseconds(0))).count();
  tell(api.env.metrics->gauge("amc_oldest_pending_age_seconds",
                              "Since the oldest message was accepted that could be worked on now"),
       {{"queue", queue}}, age);
  tell(api.env.metrics->gauge("amc_queue_paused", "Whether the queue is paused"), {{"queue", queue}}, q.paused ? 1 : 0);
  if (q.depth)
    tell(api.env.metrics->gauge("amc_engine_depth", "Events that wait in the queue engine"), {{"queue", queue}},
         static_cast<double>(*q.depth));
}

void tell_reachable(context& api, bool store_is_there) {
  api.env.metrics->gauge("amc_store_reachable", "Whether the store could be read").Add({}).Set(store_is_there);
  api.env.metrics->gauge("amc_engine_reachable", "Whether the queue engine answered the last time that it was needed")
      .Add({})
      .Set(api.messages->engine_reachable());
}

}  // namespace

/// What has to be asked for is asked for now; what cannot be told is left out, and the rest is told.
task<http::response> get_metrics(context& api, http::request&, visitor&) {
  api.env.metrics->gauge("amc_waiters", "Requests that are parked")
      .Add({})
      .Set(static_cast<double>(api.waiters->size()));
  api.env.metrics->gauge("amc_receivers", "Requests for work that are parked")
      .Add({})
      .Set(static_cast<double>(api.receivers->size()));
  std::vector<broker::messages::queue_state> queues;
  bool store_is_there = true;
  try {
    queues = co_await api.messages->queues();
  } catch (const unavailable&) {
    store_is_there = false;  // the counters tell more than nothing
  }
  tell_reachable(api, store_is_there);
  for (const auto& [family, gauge] : api.counted) family->Remove(gauge);
  api.counted.clear();
  for (const auto& q : queues) tell_counted(api, q);
  http::response reply{200, {{"Content-Type", metrics::content_type}}, api.env.metrics->text()};
  co_return reply;
}

task<http::response> get_healthz(context&, http::request&, visitor&) {
  http::response reply{200, {{"Content-Type", "application/json"}}, R"({"status":"ok"})"};
  co_return reply;
}

task<http::response> get_readyz(context& api, http::request&, visitor&) {
  http::response reply{200, {{"Content-Type", "application/json"}}, {}};
  json::object body{{"status", "ok"}, {"store", "ok"}, {"platform", "ok"}};
  if (const auto& trouble = api.messages->engine_trouble()) {
    body["status"] = "degraded";
    body["platform"] = "away";
    body["platform_because"] = *trouble;
  }
  if (const auto trouble = co_await api.messages->store_trouble()) {
    reply.status = 503;
    body["status"] = "unavailable";
    body["store"] = "away";
    body["store_because"] = *trouble;
  }
  // Anybody may ask: one word is enough.
  if (api.identity) body = json::object{{"status", body["status"]}};
  reply.body = json::serialize(body);
  co_return reply;
}

}  // namespace amc::api
