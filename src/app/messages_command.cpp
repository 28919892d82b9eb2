#include "app/messages_command.hpp"

#include <boost/json.hpp>
#include <boost/url/params_encoded_view.hpp>
#include <boost/url/url.hpp>
#include <functional>
#include <thread>

#include "app/processes.hpp"
#include "app/replies.hpp"
#include "app/timeline.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "core/standard_streams.hpp"
#include "core/text.hpp"

namespace amc::app {
namespace json = boost::json;
namespace {

/// Nobody is asked for an id that cannot be one: it would be read as something else in a URL.
void check_ids(const messages_question& asked) {
  for (const auto& id : asked.ids)
    if (!parse_uuid(id)) throw config_error(repeated(id) + " is not the id of a message, such as " + to_string(uuid{}));
}

std::string text_in(const json::object& step, std::string_view name) {
  const auto* value = step.if_contains(name);
  return value ? escaped(std::string_view(value->as_string())) : std::string();
}

std::string sentence(const http::response& reply) {
  const auto read = told_by(reply, "sentence");
  const auto& told = read.get_object();
  return text_in(told, "id") + "  " + text_in(told, "sentence") + "\n";
}

class messages_client {
 public:
  explicit messages_client(const config& settings) : broker_(settings) {}

  int run(const messages_question& asked) {
    program_ = "amc messages " + asked.verb;
    check_ids(asked);
    if (asked.verb == "list") return list(asked);
    if (asked.verb == "retry" && asked.ids.empty() && !asked.text) return retry_all(asked);
    const bool filters = !asked.status.empty() || !asked.queue.empty() || !asked.error.empty() || asked.all;
    if (asked.verb == "retry" && filters)
      throw config_error(
          "give ids, or what is true of those that are meant (--status, --queue, --error, --all), and not both; "
          "amc messages move puts a message into another queue");
    if (asked.ids.empty()) throw config_error("name at least one id: amc messages " + asked.verb + " ID …");
    int exit_code = 0;
    if (asked.verb == "history")
      return each_told(asked, "/history", [&](const auto& reply) {
        told_by(reply, "history");
        return timeline(reply.body, asked.with_diffs);
      });
    if (asked.verb == "explain") return each_told(asked, "/explain", sentence);
    std::string body;
    if (asked.verb == "move") body = json::serialize(json::object{{"queue", asked.to}});
    if (asked.text) body = json::serialize(json::object{{"message", *asked.text}});
    for (const auto& id : asked.ids) {
      const auto path = "/messages/" + id;
      const auto reply = asked.verb == "show"     ? broker_.ask("GET", path)
                         : asked.verb == "cancel" ? broker_.ask("DELETE", path)
                                                  // retry, erase, run-now, move
                                                  : broker_.ask("POST", path + "/" + asked.verb, body);
      if (reply.status < 300)
        print_message(reply);
      else
        exit_code = refused(reply, id + ": ");
    }
    return exit_code;
  }

 private:
  int refused(const http::response& reply, const std::string& what = "") const {
    log::last_words(program_, what + reason_of(reply));
    return 1;
  }

  static void print_message(const http::response& reply) {
    told_by(reply, "id");
    print(json_line(reply.body));
  }

  int list(const messages_question& asked) {
    constexpr std::size_t page = 100;
    std::string after;
    for (std::size_t left = asked.limit; left > 0;) {
      boost::urls::url target("/messages");
      auto params = target.params();
      if (!asked.status.empty()) params.append({"status", asked.status});
      if (!asked.queue.empty()) params.append({"queue", asked.queue});
      params.append({"limit", std::to_string(std::min(left, page))});
      if (!after.empty()) params.append({"after", after});
      const auto reply = broker_.ask("GET", std::string(target.buffer()));
      if (reply.status != 200) return refused(reply);
      const auto body = told_by(reply, "messages");
      for (const auto& m : item_texts(member_text(reply.body, "messages"))) {
        print(json_line(m));
        --left;
      }
      const auto* next = body.get_object().if_contains("next");
      if (!next) break;
      after = next->as_string();
    }
    return 0;
  }

  int each_told(const messages_question& asked, const std::string& what,
                const std::function<std::string(const http::response& reply)>& in_words) {
    int exit_code = 0;
    for (const auto& id : asked.ids) {
      const auto reply = broker_.ask("GET", "/messages/" + id + what);
      if (reply.status != 200)
        exit_code = refused(reply, id + ": ");
      else
        print(asked.as_json ? json_line(reply.body) : in_words(reply));
    }
    return exit_code;
  }

  int retry_all(const messages_question& asked) {
    if (asked.status.empty() && asked.queue.empty() && asked.error.empty() && !asked.all)
      throw config_error("say which: ids, --status, --queue or --error, or --all for every dead message");
    json::object filter{{"status", asked.status.empty() ? "dead" : asked.status}};
    if (!asked.queue.empty()) filter["queue"] = asked.queue;
    if (!asked.error.empty()) filter["error"] = asked.error;
    auto reply = broker_.ask("POST", "/retries", json::serialize(filter));
    if (reply.status != 200) return refused(reply);
    // It runs in the broker; here it is only waited for.
    json::value told;
    for (;;) {
      reply = broker_.ask("GET", "/retries");
      if (reply.status != 200) return refused(reply);
      told = told_by(reply, "running");
      if (!told.at("running").as_bool()) break;
      std::this_thread::sleep_for(milliseconds(200));
    }
    print(json_line(reply.body));
    return told.get_object().contains("stopped_because") ? 1 : 0;
  }

  std::string program_;
  broker_caller broker_;
};

}  // namespace

int messages_command(const config& settings, const messages_question& asked) {
  return messages_client(settings).run(asked);
}

}  // namespace amc::app
