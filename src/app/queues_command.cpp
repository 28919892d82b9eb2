#include "app/queues_command.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <boost/url/segments_ref.hpp>
#include <boost/url/url.hpp>
#include <cstdio>
#include <map>
#include <optional>
#include <thread>

#include "app/processes.hpp"
#include "app/replies.hpp"
#include "core/log.hpp"
#include "core/standard_streams.hpp"
#include "core/text.hpp"
#include "core/time_text.hpp"

namespace amc::app {
namespace json = boost::json;
namespace {

constexpr std::size_t columns = 11;
using line = std::array<std::string, columns>;

std::string age(const json::value& ms) {
  return ms.is_null() ? "-" : in_words(milliseconds(ms.to_number<std::int64_t>()));
}

std::string count(const json::value& number) {
  return number.is_null() ? "-" : std::to_string(number.to_number<std::int64_t>());
}

std::string rate(const json::value& per_second) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", per_second.to_number<double>());
  return text.data();
}

/// Of those seen within the last minute.
std::string services(const json::value& seen) {
  constexpr std::int64_t lately_ms = 60'000;
  const auto& all = seen.as_array();
  return std::to_string(std::count_if(all.begin(), all.end(), [](const json::value& s) {
    return s.at("seen_ago_ms").to_number<std::int64_t>() <= lately_ms;
  }));
}

line line_about(const json::value& queue) {
  return {escaped(queue.at("queue").as_string()),
          count(queue.at("pending")),
          count(queue.at("due")),
          count(queue.at("held")),
          count(queue.at("dead")),
          age(queue.at("oldest_age_ms")),
          rate(queue.at("rate_in_per_s")),
          rate(queue.at("rate_out_per_s")),
          rate(queue.at("rate_failed_per_s")),
          services(queue.at("services")),
          count(queue.at("engine_depth"))};
}

/// Names to the left, numbers to the right.
std::string table(const std::vector<line>& lines) {
  std::array<std::size_t, columns> widths{};
  for (const auto& each : lines)
    for (std::size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], each[i].size());
  std::string told;
  for (const auto& each : lines) {
    told += each[0] + std::string(widths[0] - each[0].size(), ' ');
    for (std::size_t i = 1; i < columns; ++i) told += "  " + std::string(widths[i] - each[i].size(), ' ') + each[i];
    told += "\n";
  }
  return told;
}

}  // namespace

namespace {

/// What is left in engines that the system moves away from, and whether they can go.
std::string engines_left(const json::array& queues) {
  std::map<std::string, std::optional<std::int64_t>> in_each;
  for (const auto& queue : queues) {
    const auto* left = queue.as_object().if_contains("left");
    if (!left) continue;
    for (const auto& [engine, count] : left->as_object()) {
      auto& sum = in_each.try_emplace(engine, 0).first->second;
      sum = sum && !count.is_null() ? std::optional(*sum + count.to_number<std::int64_t>()) : std::nullopt;
    }
  }
  std::string told;
  for (const auto& [engine, count] : in_each) {
    told += escaped(engine) + " (queue_system.also_receive_from): ";
    if (!count)
      told += "what is left there cannot be counted now\n";
    else if (*count > 0)
      told += std::to_string(*count) + " events are left\n";
    else
      told += "nothing is left; it can go once no process publishes to it any more\n";
  }
  return told;
}

}  // namespace

namespace {

std::string pauses(const json::array& queues) {
  std::string told;
  for (const auto& queue : queues) {
    const auto* paused = queue.as_object().if_contains("paused");
    if (!paused || paused->is_null()) continue;
    told += escaped(queue.at("queue").as_string()) + " is paused since " + escaped(paused->at("since").as_string());
    if (const auto* by = paused->as_object().if_contains("by")) told += " by " + escaped(by->as_string());
    told += "\n";
  }
  return told;
}

}  // namespace

std::string queues_table(const json::value& answer) {
  std::vector<line> lines{
      {"QUEUE", "PENDING", "DUE", "HELD", "DEAD", "OLDEST", "IN/S", "OUT/S", "FAILED/S", "SERVICES", "IN ENGINE"}};
  for (const auto& queue : answer.at("queues").as_array()) lines.push_back(line_about(queue));
  const auto& queues = answer.at("queues").as_array();
  return table(lines) + pauses(queues) + engines_left(queues);
}

namespace {

bool is_running(const json::value& told) {
  const auto* running = told.as_object().if_contains("running");
  return running && running->as_bool();
}

int change_queue(const config& settings, const queues_question& asked) {
  boost::urls::url target;
  target.segments() = {"queues", asked.queue, asked.verb};
  target.set_path_absolute(true);
  broker_caller broker(settings);
  auto reply = broker.ask("POST", std::string(target.buffer()));
  // A purge runs in the broker; here it is only waited for.
  while (reply.status == 200 && is_running(told_by(reply, "queue"))) {
    std::this_thread::sleep_for(milliseconds(200));
    reply = broker.ask("GET", std::string(target.buffer()));
  }
  if (reply.status != 200) {
    log::last_words("amc queues " + asked.verb, reason_of(reply));
    return 1;
  }
  const auto told = told_by(reply, "queue");
  print(json_line(reply.body));
  return told.get_object().contains("stopped_because") ? 1 : 0;
}

}  // namespace

int queues_command(const config& settings, const queues_question& asked) {
  if (!asked.verb.empty()) return change_queue(settings, asked);
  const auto reply = broker_caller(settings).ask("GET", "/queues");
  if (reply.status != 200) {
    log::last_words("amc queues", reason_of(reply));
    return 1;
  }
  const auto body = told_by(reply, "queues");
  std::string told;
  if (asked.as_json)
    for (const auto& queue : body.at("queues").as_array()) told += json_line(json::serialize(queue));
  print(asked.as_json ? told : queues_table(body));
  return 0;
}

}  // namespace amc::app
