#include "app/post_command.hpp"

#include <boost/json.hpp>
#include <thread>

#include "app/processes.hpp"
#include "app/replies.hpp"
#include "broker/configuration.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "core/standard_streams.hpp"
#include "core/text.hpp"
#include "core/uuid_source.hpp"
#include "core/work.hpp"
#include "service/contents.hpp"

namespace amc::app {
namespace json = boost::json;
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr const char* program = "amc post";
/// Between two questions to a broker that is away, or does not keep waiting.
constexpr milliseconds pause{200};

std::string member(const json::value& body, std::string_view name) {
  const auto* fields = body.if_object();
  const auto* value = fields ? fields->if_contains(name) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string body_of(const config& settings, const post_options& asked) {
  const auto text = asked.text == "-" ? read_input(broker::message_max_bytes(settings)) : asked.text;
  const auto form = asked.is_value ? content_form::json : content_form::text;
  if (const auto wrong = amc::service::why_unfit(text, form, {})) throw config_error("what was given " + *wrong);
  if (!asked.idempotency_key.empty() && !is_idempotency_key(asked.idempotency_key))
    throw config_error(std::string("--idempotency-key: ") + bad_idempotency_key);
  json_object_text body;
  if (!asked.queue.empty()) body.add("queue", asked.queue);
  if (asked.done) body.add("done", true);
  if (!asked.deliver_at.empty()) body.add("deliver_at", asked.deliver_at);
  if (!asked.expires_at.empty()) body.add("expires_at", asked.expires_at);
  content said = text;
  said.form = form;
  amc::service::add_content(body, said);
  return body.take();
}

class posting {
 public:
  posting(const config& settings, const post_options& asked)
      : asked_(asked),
        broker_(settings),
        deadline_(clock::now() + (asked.wait_s ? milliseconds(seconds(*asked.wait_s))
                                               : settings.duration("consumer_services.broker_client.timeout_ms"))) {}

  int run(std::string body) {
    const auto key =
        asked_.idempotency_key.empty() ? "amc post " + to_string(system_uuid_source()()) : asked_.idempotency_key;
    http::request post{"POST", "/messages", {{"Idempotency-Key", key}}, std::move(body)};
    auto reply = ask_until_answered(post);
    if (reply.status >= 300) return complain(reason_of(reply));
    const auto id = member(told_by(reply, "id"), "id");
    if (!asked_.wait_s) return print_told(reply, id);
    while (is_pending(reply) && left() > milliseconds(0)) {
      if (reply.headers.find("Preference-Applied").value_or("wait=0") == "wait=0") std::this_thread::sleep_for(pause);
      const http::request look{"GET", "/messages/" + id};
      reply = ask_until_answered(look);
      if (reply.status >= 300) return complain(id + ": " + reason_of(reply));
    }
    return tell(reply, id);
  }

 private:
  milliseconds left() const { return std::chrono::ceil<milliseconds>(deadline_ - clock::now()); }

  static bool is_pending(const http::response& reply) {
    return member(told_by(reply, "status"), "status") == "pending";
  }

  static int complain(const std::string& why) {
    log::last_words(program, why);
    return 1;
  }

  static int print_line(const std::string& line) {
    print(line);
    return 0;
  }
  int print_told(const http::response& reply, const std::string& text) const {
    return print_line(asked_.json ? json_line(reply.body) : shown(text) + "\n");
  }

  /// Asking again changes nothing: a POST has its idempotency key.
  http::response ask_until_answered(const http::request& asked) {
    constexpr int over_quota = 429, bad_gateway = 502, unavailable_now = 503;
    bool perhaps_accepted = false;
    for (;;) {
      try {
        auto reply = ask_once(asked);
        const bool is_for_later = reply.status == over_quota || reply.status >= bad_gateway;
        if (!is_for_later || left() <= pause) return reply;
        perhaps_accepted = perhaps_accepted || reply.status == bad_gateway || reply.status > unavailable_now;
      } catch (const unavailable& failed) {
        perhaps_accepted = perhaps_accepted || failed.why() == unavailable::reason::outcome_unknown;
        if (left() <= pause)
          throw startup_error(std::string("no answer from the broker: ") + failed.what() +
                              "; is it running, and is consumer_services.broker_client.url its URL?" +
                              (perhaps_accepted ? " What was posted may have been accepted" : ""));
      }
      std::this_thread::sleep_for(pause);
    }
  }

  http::response ask_once(http::request asked) {
    const auto wait = asked_.wait_s ? std::chrono::floor<seconds>(std::max(left(), milliseconds(0))) : seconds(0);
    if (wait > seconds(0)) asked.headers.add("Prefer", "wait=" + std::to_string(wait.count()));
    return broker_.send(std::move(asked), wait);
  }

  int tell(const http::response& reply, const std::string& id) {
    const auto now = told_by(reply, "status");
    const auto status = member(now, "status");
    if (status == "done") return print_told(reply, said_in(now.as_object(), reply.body));
    if (asked_.json) print(json_line(reply.body));
    if (status == "pending") {
      log::last_words(program, id + " is not finished within " + std::to_string(*asked_.wait_s) +
                                   " s; amc messages show " + id + " tells what becomes of it");
      return exit_not_in_time;
    }
    return complain(id + " is " + status + why_it_ended(id));
  }

  std::string why_it_ended(const std::string& id) {
    const auto shown = ask_until_answered({"GET", "/messages/" + id});
    const auto full = told_by(shown, "id");
    const auto* attempts = full.get_object().if_contains("attempts");
    return attempts ? ": " + member(attempts->as_array().back(), "error") : std::string();
  }

  const post_options& asked_;
  broker_caller broker_;
  clock::time_point deadline_;
};

}  // namespace

int post_command(const config& settings, const post_options& asked) {
  auto body = body_of(settings, asked);
  return posting(settings, asked).run(std::move(body));
}

}  // namespace amc::app
