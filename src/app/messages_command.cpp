#include "app/messages_command.hpp"

#include <boost/json.hpp>
#include <boost/url/params_encoded_view.hpp>
#include <boost/url/url.hpp>
#include <iostream>
#include <thread>

#include "app/processes.hpp"

namespace amc::app {
namespace json = boost::json;
namespace {

class messages_client {
 public:
  explicit messages_client(const config& settings) : broker_(settings) {}

  int run(const messages_question& asked) {
    if (asked.verb == "list") return list(asked);
    if (asked.verb == "retry" && asked.ids.empty()) return retry_all(asked);
    if (asked.ids.empty()) throw config_error("name at least one id: amc messages " + asked.verb + " ID …");
    int exit_code = 0;
    for (const auto& id : asked.ids) {
      const auto path = "/messages/" + id;
      const auto reply = asked.verb == "show"     ? broker_.ask("GET", path)
                         : asked.verb == "cancel" ? broker_.ask("DELETE", path)
                                                  : broker_.ask("POST", path + "/retry");
      if (!print(reply)) exit_code = 1;
    }
    return exit_code;
  }

 private:
  /// The answer on stdout, or why there is none on stderr.
  static bool print(const http::response& reply) {
    const bool good = reply.status < 300;
    (good ? std::cout : std::cerr) << reply.body << "\n";
    return good;
  }

  int list(const messages_question& asked) {
    constexpr std::size_t page = 100;
    std::string after;
    for (std::size_t left = asked.limit; left > 0;) {
      boost::urls::url target("/messages");
      auto params = target.params();
      params.append({"status", asked.status});
      params.append({"queue", asked.queue});
      params.append({"limit", std::to_string(std::min(left, page))});
      params.append({"after", after});
      const auto reply = broker_.ask("GET", std::string(target.buffer()));
      if (reply.status != 200) return print(reply) ? 0 : 1;
      const auto body = json::parse(reply.body);
      for (const auto& m : body.at("messages").as_array()) {
        std::cout << json::serialize(m) << "\n";
        --left;
      }
      const auto* next = body.as_object().if_contains("next");
      if (!next) break;
      after = next->as_string();
    }
    return 0;
  }

  int retry_all(const messages_question& asked) {
    json::object filter{{"status", asked.status.empty() ? "dead" : asked.status}};
    if (!asked.queue.empty()) filter["queue"] = asked.queue;
    if (!asked.error.empty()) filter["error"] = asked.error;
    auto reply = broker_.ask("POST", "/retries", json::serialize(filter));
    if (reply.status != 200) return print(reply) ? 0 : 1;
    // It runs in the broker; here it is only waited for.
    for (;;) {
      reply = broker_.ask("GET", "/retries");
      if (reply.status != 200 || !json::parse(reply.body).at("running").as_bool()) break;
      std::this_thread::sleep_for(milliseconds(200));
    }
    if (!print(reply)) return 1;
    return json::parse(reply.body).as_object().contains("stopped_because") ? 1 : 0;
  }

  broker_caller broker_;
};

}  // namespace

int messages_command(const config& settings, const messages_question& asked) {
  return messages_client(settings).run(asked);
}

}  // namespace amc::app
