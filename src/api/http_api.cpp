#include "api/http_api.hpp"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>

#include "api/api_text.hpp"
#include "core/time_text.hpp"

namespace amc::api {
namespace json = boost::json;
namespace {

bool is_terminal(const message& m) {
  return m.status != status::pending;
}

}  // namespace

class http_api::implementation {
 public:
  implementation(const environment& env, std::shared_ptr<broker::messages> messages,
                 std::shared_ptr<broker::waiters> waiters, std::shared_ptr<broker::mass_retry> retries,
                 api_options options)
      : env_(env),
        durations_(env.metrics->histogram("http_server_request_duration_seconds", "Requests, parked time included")),
        messages_(std::move(messages)),
        waiters_(std::move(waiters)),
        retries_(std::move(retries)),
        options_(options) {}

  task<http::response> handle(const http::request& asked) {
    const auto path = asked.path();
    bool known = false;
    std::string allowed;
    for (const auto& [pattern, method, call] : routes) {
      if (!matches(pattern, path)) continue;
      known = true;
      if (method == asked.method || (method == "GET" && asked.method == "HEAD"))
        co_return co_await timed(asked, pattern, call);
      allowed += (allowed.empty() ? "" : ", ") + std::string(method) + (method == "GET" ? ", HEAD" : "");
    }
    if (!known) co_return problem(404, "There is nothing at " + std::string(path) + ".");
    auto reply = problem(405, asked.method + " is not allowed here; allowed: " + allowed + ".", path == "/");
    reply.headers.add("Allow", allowed);
    co_return reply;
  }

 private:
  using method_of_api = task<http::response> (implementation::*)(const http::request&);

  task<http::response> timed(const http::request& asked, std::string_view pattern, method_of_api call) {
    const auto begun = env_.timers->now();
    int status = 503;  // unless it is answered, the store is away
    std::exception_ptr failed;
    http::response reply;
    try {
      reply = co_await (this->*call)(asked);
      status = reply.status;
    } catch (const unavailable&) {
      failed = std::current_exception();
    }
    const auto make = [&]() -> auto& {
      return durations_.Add({{"http_request_method", asked.method},
                             {"http_route", std::string(pattern)},
                             {"http_response_status_code", std::to_string(status)}},
                            metrics::seconds());
    };
    durations_of_.get({pattern, asked.method, status}, make)
        .Observe(std::chrono::duration<double>(env_.timers->now() - begun).count());
    if (failed) std::rethrow_exception(failed);
    co_return reply;
  }
  struct route {
    std::string_view path;  ///< "*" stands for one segment
    std::string_view method;
    method_of_api call;
  };
  static const std::array<route, 20> routes;

  static bool matches(std::string_view pattern, std::string_view path) {
    const auto star = pattern.find('*');
    if (star == std::string_view::npos) return path == pattern;
    if (!path.starts_with(pattern.substr(0, star))) return false;
    path.remove_prefix(star);
    const auto segment = std::min(path.find('/'), path.size());
    return segment > 0 && path.substr(segment) == pattern.substr(star + 1);
  }

  /// The segment after "/messages/".
  static std::string id_in(const http::request& asked) {
    const auto rest = asked.path().substr(std::string_view("/messages/").size());
    return std::string(rest.substr(0, rest.find('/')));
  }

  // ---- the seed's contract: everything at "/" ----

  task<http::response> post_root(const http::request& asked) { co_return co_await accept(asked, 201, true); }

  task<http::response> put_root(const http::request& asked) {
    auto text = message_of(asked.body);
    if (!text) co_return refused(text.error(), true);
    const auto id = asked.parameter("id").value_or("");
    const auto parsed = parse_uuid(id);
    if (!parsed) co_return problem(404, "Message \"" + id + "\" not found.", true);
    const auto answered = co_await messages_->answer(*parsed, std::nullopt, std::move(*text));
    if (!answered) co_return refused(answered.error(), true);
    co_return represent(**answered, 200);
  }

  task<http::response> get_root(const http::request& asked) {
    const auto id = asked.parameter("id").value_or("");
    co_return co_await read(asked, id, true);
  }

  // ---- /messages ----

  task<http::response> post_message(const http::request& asked) { co_return co_await accept(asked, 202, false); }

  task<http::response> list_messages(const http::request& asked) {
    const auto filter = parse_filter(asked, options_.page_max);
    if (!filter) co_return refused(filter.error());
    const auto page = co_await messages_->list(*filter);
    json::array list;
    for (const auto& m : page.rows) list.push_back(in_full(*m));
    json::object body{{"messages", std::move(list)}};
    if (page.next) body["next"] = to_string(*page.next);
    co_return json_reply(200, body);
  }

  task<http::response> retry_message(const http::request& asked) {
    const auto id = id_in(asked);
    const auto parsed = parse_uuid(id);
    if (!parsed) co_return not_found(id, false);
    const auto retried = co_await messages_->retry(*parsed);
    if (!retried) co_return refused(retried.error());
    co_return json_reply(200, in_full(**retried));
  }

  task<http::response> delete_message(const http::request& asked) {
    const auto id = id_in(asked);
    const auto parsed = parse_uuid(id);
    if (!parsed) co_return not_found(id, false);
    const auto cancelled = co_await messages_->cancel(*parsed);
    if (!cancelled) co_return refused(cancelled.error());
    co_return json_reply(200, in_full(**cancelled));
  }

  task<http::response> get_message(const http::request& asked) {
    const auto id = id_in(asked);
    co_return co_await read(asked, id, false);
  }

  task<http::response> put_message(const http::request& asked) {
    const auto id = id_in(asked);
    const auto field = asked.headers.find("If-Match");
    if (!field) co_return refused({errc::precondition, "Send If-Match with the revision that you answer, or *."});
    const auto match = parse_if_match(*field);
    if (!match) co_return problem(400, "If-Match takes * or one entity tag, like \"3\".");
    auto text = message_of(asked.body);
    if (!text) co_return refused(text.error());
    const auto parsed = parse_uuid(id);
    if (!parsed) co_return problem(404, "Message \"" + id + "\" not found.");
    std::optional<int> revision;
    if (!match->any) revision = match->revision;
    const auto answered = co_await messages_->answer(*parsed, revision, std::move(*text));
    if (!answered) co_return refused(answered.error());
    co_return represent(**answered, 200);
  }

  // ---- both ----

  task<http::response> accept(const http::request& asked, int accepted_status, bool root) {
    auto body = new_message_of(asked.body);
    if (!body) co_return refused(body.error(), root);
    auto options = accept_options_of(asked, *body, options_.idempotency);
    if (!options) co_return refused(options.error(), root);
    const auto wait = preferred_wait(asked);
    const auto id = messages_->new_id();
    // The watch begins before the message does: no change can slip in between.
    std::unique_ptr<broker::waiters::watch> watch;
    if (wait) watch = waiters_->watch_for(id);
    const auto accepted = co_await messages_->accept(id, std::move(body->text), std::move(*options));
    if (!accepted) co_return refused(accepted.error(), root);
    row now = *accepted;
    if (watch && now->id != id) {
      // The idempotency key has made another message before.
      watch = waiters_->watch_for(now->id);
      const auto found = co_await messages_->find(now->id);
      if (found) now = *found;
    }
    if (watch) {
      watch->saw(now);
      now = co_await watch->until(is_terminal, std::min(*wait, options_.wait_max), asked.from);
    }
    const auto location = (root ? "/?id=" : "/messages/") + to_string(now->id);
    const bool finished = watch && is_terminal(*now);
    auto reply = represent(*now, finished ? 200 : accepted_status);
    reply.headers.add(finished ? "Content-Location" : "Location", location);
    if (!finished) reply.headers.add("Retry-After", "1");
    note_wait(reply, wait);
    co_return reply;
  }

  task<http::response> read(const http::request& asked, std::string id, bool root) {
    const auto parsed = parse_uuid(id);
    if (!parsed) co_return not_found(id, root);
    const auto wait = preferred_wait(asked);
    const auto known = asked.headers.find("If-None-Match");
    std::unique_ptr<broker::waiters::watch> watch;
    if (wait) watch = waiters_->watch_for(*parsed);
    const auto found = co_await messages_->find(*parsed);
    if (!found && found.error().code == errc::not_found) co_return not_found(id, root);
    if (!found) co_return refused(found.error(), root);
    row now = *found;
    if (watch) {
      watch->saw(now);
      std::function<bool(const message&)> enough = is_terminal;
      if (known) enough = [&](const message& m) { return !none_match_has(*known, entity_tag(m)); };
      now = co_await watch->until(std::move(enough), std::min(*wait, options_.wait_max), asked.from);
    }
    auto reply = root ? represent(*now, 200) : json_reply(200, in_full(*now));
    if (known && none_match_has(*known, entity_tag(*now))) {
      reply.status = 304;
      reply.body.clear();
    }
    reply.headers.add("ETag", entity_tag(*now));
    reply.headers.add("Cache-Control", "no-cache");
    note_wait(reply, wait);
    co_return reply;
  }

  static http::response not_found(const std::string& id, bool root) {
    return problem(404, (root ? "Entity \"" : "Message \"") + id + "\" not found.", root);
  }

  void note_wait(http::response& reply, std::optional<milliseconds> wait) const {
    reply.headers.add("Vary", "Prefer");
    if (!wait) return;
    const auto applied = std::chrono::duration_cast<std::chrono::seconds>(std::min(*wait, options_.wait_max));
    reply.headers.add("Preference-Applied", "wait=" + std::to_string(applied.count()));
  }

  // ---- for services: batches of claims ----

  static std::vector<event> events_of(const std::vector<entry>& entries) {
    std::vector<event> events;
    events.reserve(entries.size());
    for (const auto& e : entries) events.push_back(e.ready);
    return events;
  }

  template <class Result, class Fill>
  static http::response each(const std::vector<event>& asked, const std::vector<Result>& results, const Fill& fill) {
    json::array list;
    list.reserve(asked.size());
    for (std::size_t i = 0; i < asked.size(); ++i) {
      json::object item{{"id", to_string(asked[i].id)}, {"revision", asked[i].revision}};
      if (results[i]) {
        fill(item, *results[i]);
      } else {
        item["refused"] = to_string(results[i].error().code);
        item["detail"] = results[i].error().detail;
      }
      list.push_back(std::move(item));
    }
    http::response reply{200, {{"Content-Type", "application/json"}}, json::serialize(list)};
    return reply;
  }

  static std::vector<claimed> claims_of(const std::vector<entry>& entries) {
    std::vector<claimed> claims;
    for (const auto& e : entries) claims.push_back({e.ready, e.claim});
    return claims;
  }

  task<http::response> post_claims(const http::request& asked) {
    const auto entries = parse_entries(asked, false, options_.claims_max);
    if (!entries) co_return refused(entries.error());
    std::vector<claim_request> requests;
    for (const auto& e : *entries) requests.push_back({e.ready, e.alone});
    const auto results = co_await messages_->claim(std::move(requests));
    co_return each(events_of(*entries), results, [](json::object& item, const granted& g) {
      item["claim"] = g.claim;
      item["message"] = g.text;
      item["lease_ms"] = g.lease.count();
    });
  }

  task<http::response> post_leases(const http::request& asked) {
    const auto entries = parse_entries(asked, true, options_.claims_max);
    if (!entries) co_return refused(entries.error());
    const auto results = co_await messages_->extend(claims_of(*entries));
    co_return each(events_of(*entries), results,
                   [](json::object& item, milliseconds lease) { item["lease_ms"] = lease.count(); });
  }

  task<http::response> post_releases(const http::request& asked) {
    const auto entries = parse_entries(asked, true, options_.claims_max);
    if (!entries) co_return refused(entries.error());
    const auto results = co_await messages_->release(claims_of(*entries));
    co_return each(events_of(*entries), results,
                   [](json::object& item, const row& now) { item["status"] = to_string(now->status); });
  }

  task<http::response> post_failures(const http::request& asked) {
    const auto entries = parse_entries(asked, true, options_.claims_max);
    if (!entries) co_return refused(entries.error());
    std::vector<failed_claim> failures;
    for (const auto& e : *entries) {
      failed_claim failed{{e.ready, e.claim}, e.error.empty() ? "no reason told" : e.error};
      failures.push_back(std::move(failed));
    }
    const auto results = co_await messages_->fail(std::move(failures));
    co_return each(events_of(*entries), results, [](json::object& item, const row& now) {
      item["status"] = to_string(now->status);
      item["failures"] = now->failures;
      if (now->status == status::pending) item["due"] = to_rfc3339(now->due);
    });
  }

  task<http::response> post_answers(const http::request& asked) {
    auto answers = parse_answers(asked, options_.claims_max);
    if (!answers) co_return refused(answers.error());
    std::vector<event> events;
    for (const auto& a : *answers) events.push_back({a.id, *a.revision, {}});
    const auto results = co_await messages_->answer(std::move(*answers));
    co_return each(events, results, [](json::object& item, const row& now) {
      item["revision"] = now->revision;
      item["status"] = to_string(now->status);
    });
  }

  // ---- for operators ----

  task<http::response> get_queues(const http::request&) {
    const auto queues = co_await messages_->queues();
    const auto now = co_await messages_->store_time();
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

  static json::object progress(const broker::mass_retry::state& of) {
    json::object body{{"running", of.running}, {"retried", of.retried}, {"refused", of.refused}};
    if (!of.stopped_because.empty()) body["stopped_because"] = of.stopped_because;
    return body;
  }

  task<http::response> get_retries(const http::request&) { co_return json_reply(200, progress(retries_->now())); }

  task<http::response> post_retries(const http::request& asked) {
    const auto filter = parse_retry_filter(asked.body);
    if (!filter) co_return refused(filter.error());
    const auto started = retries_->start(*filter);
    if (!started) co_return refused(started.error());
    co_return json_reply(200, progress(*started));
  }

  // ---- health ----

  /// What has to be asked for is asked for now; what cannot be told is left out, and the rest is told.
  task<http::response> get_metrics(const http::request&) {
    env_.metrics->gauge("amc_waiters", "Requests that are parked").Add({}).Set(static_cast<double>(waiters_->size()));
    std::vector<broker::messages::queue_state> queues;
    timestamp now{};
    try {
      now = co_await messages_->store_time();
      queues = co_await messages_->queues();
    } catch (const unavailable&) {
      // The store is away: the counters tell more than nothing.
    }
    for (const auto& [family, gauge] : counted_) family->Remove(gauge);
    counted_.clear();
    for (const auto& q : queues) tell_counted(q, now);
    http::response reply{200, {{"Content-Type", metrics::content_type}}, env_.metrics->text()};
    co_return reply;
  }

  void tell_counted(const broker::messages::queue_state& q, timestamp now) {
    const auto tell = [&](metrics::gauges& family, const prometheus::Labels& labels, double value) {
      auto& gauge = family.Add(labels);
      gauge.Set(value);
      counted_.emplace_back(&family, &gauge);
    };
    const auto& queue = q.counts.queue;
    auto& in_store = env_.metrics->gauge("amc_messages", "Messages in the store");
    tell(in_store, {{"status", "pending"}, {"queue", queue}}, static_cast<double>(q.counts.pending));
    tell(in_store, {{"status", "dead"}, {"queue", queue}}, static_cast<double>(q.counts.dead));
    const auto age = q.counts.oldest ? std::chrono::duration<double>(now - *q.counts.oldest).count() : 0.0;
    tell(env_.metrics->gauge("amc_oldest_pending_age_seconds", "Since the oldest pending message was accepted"),
         {{"queue", queue}}, age);
    if (q.depth)
      tell(env_.metrics->gauge("amc_engine_depth", "Events that wait in the queue engine"), {{"queue", queue}},
           static_cast<double>(*q.depth));
  }

  task<http::response> get_healthz(const http::request&) {
    http::response reply{200, {{"Content-Type", "application/json"}}, R"({"status":"ok"})"};
    co_return reply;
  }

  task<http::response> get_readyz(const http::request&) {
    http::response reply{200, {{"Content-Type", "application/json"}}, {}};
    json::object body{{"status", "ok"}, {"store", "ok"}, {"platform", "ok"}};
    if (!messages_->engine_reachable()) {
      body["status"] = "degraded";
      body["platform"] = "away";
    }
    try {
      co_await messages_->check_store();
    } catch (const unavailable&) {
      reply.status = 503;
      body["status"] = "unavailable";
      body["store"] = "away";
    }
    reply.body = json::serialize(body);
    co_return reply;
  }

  environment env_;
  metrics::histograms& durations_;
  numbers_by<std::tuple<std::string_view, std::string, int>, prometheus::Histogram> durations_of_;
  std::vector<std::pair<metrics::gauges*, prometheus::Gauge*>> counted_;  ///< by the last GET /metrics
  std::shared_ptr<broker::messages> messages_;
  std::shared_ptr<broker::waiters> waiters_;
  std::shared_ptr<broker::mass_retry> retries_;
  api_options options_;
};

const std::array<http_api::implementation::route, 20> http_api::implementation::routes{{
    {"/", "POST", &implementation::post_root},
    {"/", "PUT", &implementation::put_root},
    {"/", "GET", &implementation::get_root},
    {"/messages", "POST", &implementation::post_message},
    {"/messages", "GET", &implementation::list_messages},
    {"/messages/*", "GET", &implementation::get_message},
    {"/messages/*", "PUT", &implementation::put_message},
    {"/messages/*", "DELETE", &implementation::delete_message},
    {"/messages/*/retry", "POST", &implementation::retry_message},
    {"/claims", "POST", &implementation::post_claims},
    {"/leases", "POST", &implementation::post_leases},
    {"/releases", "POST", &implementation::post_releases},
    {"/failures", "POST", &implementation::post_failures},
    {"/answers", "POST", &implementation::post_answers},
    {"/queues", "GET", &implementation::get_queues},
    {"/retries", "GET", &implementation::get_retries},
    {"/retries", "POST", &implementation::post_retries},
    {"/metrics", "GET", &implementation::get_metrics},
    {"/healthz", "GET", &implementation::get_healthz},
    {"/readyz", "GET", &implementation::get_readyz},
}};

http_api::http_api(const environment& env, std::shared_ptr<broker::messages> messages,
                   std::shared_ptr<broker::waiters> waiters, std::shared_ptr<broker::mass_retry> retries,
                   api_options options)
    : implementation_(std::make_unique<implementation>(env, std::move(messages), std::move(waiters), std::move(retries),
                                                       options)) {}

http_api::~http_api() = default;

task<http::response> http_api::handle(const http::request& asked) {
  return implementation_->handle(asked);
}

http::response http_api::fault(int status, std::string detail, std::string_view target) {
  return problem(status, std::move(detail), target.substr(0, target.find('?')) == "/");
}

}  // namespace amc::api
