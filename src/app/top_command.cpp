#include "app/top_command.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <thread>

#include "app/processes.hpp"
#include "app/queues_command.hpp"
#include "app/replies.hpp"
#include "core/environment.hpp"
#include "core/log.hpp"
#include "core/standard_streams.hpp"
#include "core/time_text.hpp"

namespace amc::app {
namespace json = boost::json;
namespace {

/// The queues that matter most come first: those with the most that waits.
json::value busiest_first(json::value answer) {
  auto& queues = answer.at("queues").as_array();
  std::stable_sort(queues.begin(), queues.end(), [](const json::value& a, const json::value& b) {
    return a.at("pending").to_number<std::int64_t>() > b.at("pending").to_number<std::int64_t>();
  });
  return answer;
}

std::int64_t sum_of(const json::value& answer, std::string_view what) {
  std::int64_t sum = 0;
  for (const auto& queue : answer.at("queues").as_array()) sum += queue.at(what).to_number<std::int64_t>();
  return sum;
}

std::string page(const std::string& broker, const json::value& answer) {
  return broker + "  " + to_rfc3339(system_wall_clock()).substr(0, 19) + "Z  " +
         std::to_string(sum_of(answer, "pending")) + " pending, " + std::to_string(sum_of(answer, "dead")) +
         " dead\n\n" + queues_table(busiest_first(answer));
}

}  // namespace

int top_command(const config& settings, const top_options& asked) {
  broker_caller broker(settings);
  const auto url = settings.text("consumer_services.broker_client.url");
  const bool again = !asked.once && ::isatty(STDOUT_FILENO) == 1;
  constexpr const char* from_the_top = "\x1b[H\x1b[2J";
  for (;;) {
    const auto reply = broker.ask("GET", "/queues");
    if (reply.status != 200) {
      log::last_words("amc top", reason_of(reply));
      return 1;
    }
    print((again ? from_the_top : "") + page(url, told_by(reply, "queues")));
    if (!again) return 0;
    std::this_thread::sleep_for(std::chrono::seconds(asked.every_s));
  }
}

}  // namespace amc::app
