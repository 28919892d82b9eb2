#include "api/http_api.hpp"

#include <algorithm>

#include "api/access_checks.hpp"
#include "api/reading.hpp"
#include "api/resources.hpp"
#include "api/wording.hpp"

namespace amc::api {

class http_api::implementation {
 public:
  explicit implementation(context of)
      : of_(std::move(of)),
        durations_(
            of_.env.metrics->histogram("http_server_request_duration_seconds", "Requests, parked time included")) {
    if (!of_.identity || !of_.options.page_at) return;
    of_.sessions = std::make_shared<access::page_sessions>(of_.env, of_.identity, of_.options.page_sessions);
    of_.identity = of_.sessions;
  }

  task<http::response> handle(http::request& asked, listener at) {
    const bool is_asked_for = of_.identity && !asks_nobody(asked);
    auto known_as = is_asked_for ? visitor_of(of_, asked) : result<visitor>(visitor());
    const auto path = asked.path();
    if (auto refused = refused_to_strangers(asked, known_as)) co_return *std::move(refused);
    visitor who = known_as ? std::move(*known_as) : visitor();
    who.at = at;
    bool known = false;
    std::string allowed;
    for (const auto& r : routes()) {
      if (!matches(r, path)) continue;
      known = true;
      if (!known_as && !r.right_to.is_open()) co_return unidentified(known_as.error(), path == "/");
      if (r.method == asked.method || (r.method == "GET" && asked.method == "HEAD"))
        co_return co_await timed(asked, r, who);
      allowed += (allowed.empty() ? "" : ", ") + std::string(r.method) + (r.method == "GET" ? ", HEAD" : "");
    }
    if (!known)
      co_return problem(404,
                        "There is nothing at " + in_quotes(path) + "; the nearest path is " + nearest_path(path) + ".");
    auto reply = problem(405, asked.method + " is not allowed here; allowed: " + allowed + ".", path == "/");
    reply.headers.add("Allow", allowed);
    co_return reply;
  }

  std::optional<http::response> refuses_unread(const http::request& asked, const http::peer& from) {
    if (!of_.identity || is_open(asked)) return {};
    const bool root = asked.path() == "/";
    const auto who = of_.identity->identify(asked, from);
    if (!who) return unidentified(who.error(), root);
    const auto too_much = of_.quotas.refuses(*who);
    return too_much ? std::optional(refused(*too_much, root)) : std::nullopt;
  }

 private:
  static bool is_open(const http::request& asked) {
    const auto path = asked.path();
    return std::any_of(routes().begin(), routes().end(),
                       [&](const route& r) { return r.right_to.is_open() && matches(r, path); });
  }

  /// Whether it is answered whoever asks: then nobody is refused, and no line says so.
  static bool asks_nobody(const http::request& asked) {
    const auto path = asked.path();
    const std::string_view method = asked.method == "HEAD" ? std::string_view("GET") : std::string_view(asked.method);
    return std::any_of(routes().begin(), routes().end(),
                       [&](const route& r) { return r.right_to.is_open() && r.method == method && matches(r, path); });
  }

  /// Before anything else is told: also whether there is anything at this path.
  std::optional<http::response> refused_to_strangers(const http::request& asked,
                                                     const result<visitor>& known_as) const {
    const bool root = asked.path() == "/";
    if (!known_as && !is_open(asked)) return unidentified(known_as.error(), root);
    if (of_.identity || !of_.options.refuses_forwarded) return {};
    const auto field = of_.proxies.refuses(asked);
    if (!field) return {};
    return problem(403,
                   "A proxy passes this on (\"" + *field +
                       "\"), and nobody here is asked who they are: configure broker.access.tokens_file, or name the "
                       "proxy in broker.http.trusted_proxies.",
                   root);
  }

  /// What any route refuses.
  std::optional<http::response> fault_in(const http::request& asked, const route& r, const visitor& who) {
    const bool root = r.path == "/";
    if (const auto too_much = r.right_to.is_open() ? std::nullopt : of_.quotas.admit(who.by))
      return refused(*too_much, root);
    if (const auto why = refused_at_the_door(who, r, asked)) {
      note_refusal(who, *why, asked.path());
      return refused(*why, root);
    }
    if (is_encoded(asked)) {
      auto reply =
          problem(415, "Send the body as it is: a Content-Encoding other than identity is not read here.", root);
      reply.headers.add("Accept-Encoding", "identity");
      return reply;
    }
    return query_fault(asked, r.parameters, root);
  }

  task<http::response> timed(http::request& asked, const route& r, visitor& who) {
    who.method = r.method;
    who.route = r.path;
    const auto begun = of_.env.timers->now();
    int status = 503;  // unless it is answered, the store is away
    std::exception_ptr failed;
    http::response reply;
    try {
      if (auto refused = fault_in(asked, r, who)) {
        reply = std::move(*refused);
        // Who heeds no answer asks as often as it is answered.
        constexpr int over_quota = 429;
        if (reply.status == over_quota) co_await sleep_for(of_.env, of_.options.quota_refusal_delay);
      } else {
        of_.quotas.charge(who.by, asked.body.size());
        reply = co_await r.call(of_, asked, who);
      }
      status = reply.status;
      of_.quotas.charge(who.by, reply.body.size());
    } catch (const unavailable&) {
      failed = std::current_exception();
    }
    const auto make = [&]() -> auto& {
      return durations_.Add({{"http_request_method", asked.method},
                             {"http_route", std::string(r.path)},
                             {"http_response_status_code", std::to_string(status)}},
                            metrics::seconds());
    };
    durations_of_.get({r.path, asked.method, status}, make)
        .Observe(std::chrono::duration<double>(of_.env.timers->now() - begun).count());
    if (failed) std::rethrow_exception(failed);
    co_return reply;
  }

  context of_;
  metrics::histograms& durations_;
  numbers_by<std::tuple<std::string_view, std::string, int>, prometheus::Histogram> durations_of_;
};

http_api::http_api(const environment& env, std::shared_ptr<broker::messages> messages,
                   std::shared_ptr<broker::waiters> waiters, std::shared_ptr<broker::receivers> receivers,
                   std::shared_ptr<broker::mass_retry> retries, std::shared_ptr<broker::mass_cancel> purges,
                   api_options options, std::shared_ptr<access::identity> identity)
    : implementation_(std::make_unique<implementation>(
          context{env, std::move(messages), std::move(waiters), std::move(receivers), std::move(retries),
                  std::move(purges), std::move(options), std::move(identity)})) {}

http_api::~http_api() = default;

task<http::response> http_api::handle(http::request& asked, listener at) {
  return implementation_->handle(asked, at);
}

std::optional<http::response> http_api::refuses_unread(const http::request& without_body, const http::peer& from) {
  return implementation_->refuses_unread(without_body, from);
}

http::response http_api::fault(int status, std::string detail, std::string_view target) {
  return problem(status, std::move(detail), target.substr(0, target.find('?')) == "/");
}

}  // namespace amc::api
