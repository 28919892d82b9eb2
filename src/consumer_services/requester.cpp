#include "consumer_services/requester.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/message.hpp"
#include "core/text.hpp"

namespace amc::consumer_services {
namespace json = boost::json;
namespace {

std::string member(const json::value& body, std::string_view name) {
  const auto* fields = body.if_object();
  const auto* value = fields ? fields->if_contains(name) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// One conversation, step by step.
class conversing {
 public:
  conversing(const environment& env, std::shared_ptr<http::caller> broker, requester_options options)
      : env_(env),
        broker_(std::move(broker)),
        options_(std::move(options)),
        deadline_(env.timers->now() + options_.timeout) {}

  task<conversation> run(std::string text) {
    try {
      const json::object body{{"message", text}};
      auto reply = co_await ask("POST", "/", json::serialize(body));
      while (!over(reply)) {
        if (left() <= milliseconds(0))
          co_return failed("no response within " + std::to_string(options_.timeout.count()) +
                           " ms (consumer_services.requester.timeout_ms); GET /?id=" + id_ +
                           " shows what becomes of it");
        const bool was_kept_waiting = reply.headers.find("Preference-Applied").value_or("wait=0") != "wait=0";
        if (!was_kept_waiting) co_await sleep_for(env_, options_.poll_interval);
        reply = co_await ask("GET", "/?id=" + id_, "");
      }
      co_return outcome_;
    } catch (const unavailable& away) {
      co_return failed(std::string("no response: ") + away.what() + " (consumer_services.broker_client.url)");
    }
  }

 private:
  /// A broker that is away is waited for; a POST that may have been carried out is not sent again.
  task<http::response> ask(std::string method, std::string target, std::string body) {
    for (;;) {
      std::optional<unavailable> failed;
      try {
        auto reply = co_await ask_once(method, target, body);
        const bool in_between = reply.status >= 502 && reply.status <= 504 && method == "GET";
        if (!in_between || left() <= options_.poll_interval) co_return reply;
      } catch (const http::answer_too_large&) {
        throw;
      } catch (const unavailable& why) {
        failed = why;
      }
      const bool may_have_been_done =
          failed && failed->why() == unavailable::reason::outcome_unknown && method == "POST";
      if (failed && (may_have_been_done || left() <= options_.poll_interval)) throw unavailable(*failed);
      co_await sleep_for(env_, options_.poll_interval);
    }
  }

  task<http::response> ask_once(std::string method, std::string target, std::string body) {
    http::request asked;
    asked.method = std::move(method);
    asked.target = std::move(target);
    asked.body = std::move(body);
    // Whole seconds; a little more time than that for the answer to arrive.
    const auto wait = std::chrono::floor<std::chrono::seconds>(std::max(left(), milliseconds(0)));
    asked.headers.add("Prefer", "wait=" + std::to_string(wait.count()));
    constexpr milliseconds slack{1'000};
    co_return co_await broker_->send(std::move(asked), left() + slack);
  }

  /// Whether the conversation has come to an end, whatever it is.
  bool over(const http::response& reply) {
    boost::system::error_code not_json;
    const auto body = read_json(reply.body, not_json);
    if (reply.status >= 300) {
      const auto detail = member(body, "detail");
      outcome_ = failed("the broker answered " + std::to_string(reply.status) + ": " +
                        (detail.empty() ? no_broker(reply) : detail));
      return true;
    }
    if (id_.empty()) id_ = member(body, "id");
    if (!is_id(id_)) {
      outcome_ = failed(no_broker(reply));
      return true;
    }
    const auto text = member(body, "message");
    const auto state = member(body, "status");
    if (state == to_string(status::pending)) return false;
    if (state.empty() && !RE2::FullMatch(text, options_.answer_pattern)) return false;
    outcome_ = state.empty() || state == to_string(status::done) ? conversation{true, text}
                                                                 : failed("the message is " + state);
    return true;
  }

  /// It goes into a target as it is.
  static bool is_id(std::string_view id) {
    constexpr std::size_t longest = 100;
    const auto fits = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; };
    return !id.empty() && id.size() <= longest && std::all_of(id.begin(), id.end(), fits);
  }

  /// For an answer that no broker gives: a proxy's page, another program's.
  static std::string no_broker(const http::response& reply) {
    constexpr std::size_t shown_max = 100;
    return "\"" + made_valid(shortened(reply.body, shown_max)) + "\" is no answer of a broker; check " +
           "consumer_services.broker_client.url";
  }

  static conversation failed(std::string why) { return {false, std::move(why)}; }

  milliseconds left() const { return std::chrono::ceil<milliseconds>(deadline_ - env_.timers->now()); }

  environment env_;
  std::shared_ptr<http::caller> broker_;
  requester_options options_;
  timers::time_point deadline_;
  std::string id_;
  conversation outcome_;
};

}  // namespace

task<conversation> request(const environment& env, std::shared_ptr<http::caller> broker, std::string text,
                           requester_options options) {
  conversing one(env, std::move(broker), std::move(options));
  co_return co_await one.run(std::move(text));
}

}  // namespace amc::consumer_services
