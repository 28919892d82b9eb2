#include "tests/chaos/api.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <limits>
#include <thread>

namespace amc::chaos {
namespace {

boost::json::value get(tests::raw_connection& link, const std::string& target) {
  const auto got = link.ask("GET", target);
  if (got.status != 200) throw std::runtime_error(target + " answered " + std::to_string(got.status));
  return got.json();
}

std::string text_at(const boost::json::value& object, const char* member) {
  return std::string(object.at(member).as_string());
}

/// What is still pending, for whoever looks for the cause.
std::string some_pending_at(std::uint16_t port) {
  tests::raw_connection link(port);
  return boost::json::serialize(get(link, "/queues")) + "\n" +
         boost::json::serialize(get(link, "/messages?status=pending&limit=3"));
}

}  // namespace

queue_numbers numbers_at(std::uint16_t port) {
  tests::raw_connection link(port);
  queue_numbers all;
  const auto told = get(link, "/queues");
  for (const auto& queue : told.at("queues").as_array()) {
    all.pending += queue.at("pending").to_number<std::int64_t>();
    all.dead += queue.at("dead").to_number<std::int64_t>();
    const auto& depth = queue.at("engine_depth");
    if (!depth.is_null()) all.depth_max = std::max(all.depth_max, depth.to_number<std::int64_t>());
  }
  return all;
}

std::vector<row> every_message_at(std::uint16_t port) {
  tests::raw_connection link(port);
  std::vector<row> rows;
  for (std::string after;;) {
    const auto page = get(link, "/messages?limit=1000" + (after.empty() ? "" : "&after=" + after));
    for (const auto& m : page.at("messages").as_array())
      rows.push_back(
          {text_at(m, "id"), text_at(m, "message"), m.at("revision").to_number<int>(), text_at(m, "status")});
    if (!page.as_object().contains("next")) return rows;
    after = text_at(page, "next");
  }
}

void wait_until_finished(std::uint16_t port, std::chrono::seconds patience) {
  auto least = std::numeric_limits<std::int64_t>::max();
  auto deadline = std::chrono::steady_clock::now() + patience;
  for (std::string seen = "no answer"; std::chrono::steady_clock::now() < deadline;) {
    try {
      const auto now = numbers_at(port);
      if (now.pending == 0) return;
      if (now.pending < least) deadline = std::chrono::steady_clock::now() + patience;
      least = std::min(least, now.pending);
    } catch (const std::exception&) {
      // it starts, or waits for its store
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  throw violation("no progress any more with " + std::to_string(least) + " pending: " + some_pending_at(port));
}

}  // namespace amc::chaos
