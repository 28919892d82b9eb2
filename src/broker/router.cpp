#include "broker/router.hpp"

#include <re2/re2.h>

#include <algorithm>

namespace amc::broker {

struct router::entry {
  std::unique_ptr<RE2> pattern;
  life_cycle::destination to;
};

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view white = " \t\n\r\v\f";
  const auto begin = text.find_first_not_of(white);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(white) - begin + 1);
}

}  // namespace

router::router(const config& settings) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  const auto& routes = settings.maps("broker.routes");
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const auto& fields = routes[i].as_object();
    const auto complain = [&](const std::string& what) {
      throw settings.complaint("broker.routes", "route " + std::to_string(i + 1) + ": " + what);
    };
    if (fields.at("match").is_null()) complain("it has no \"match\"");
    const std::string match(fields.at("match").as_string());
    auto pattern = std::make_unique<RE2>(match, options);
    if (!pattern->ok()) complain("\"" + match + "\" is not a regular expression: " + pattern->error());
    const bool done = fields.at("done").as_bool();
    if (done != fields.at("queue").is_null()) complain("give it either a \"queue\" or \"done: true\"");
    if (done) {
      routes_.push_back({std::move(pattern), life_cycle::to_done{}});
      continue;
    }
    const std::string queue(fields.at("queue").as_string());
    if (queue.empty() || queue.size() > 200) complain("the name of a queue has 1 to 200 characters");
    routes_.push_back({std::move(pattern), life_cycle::to_queue{queue}});
    if (std::find(queues_.begin(), queues_.end(), queue) == queues_.end()) queues_.push_back(queue);
  }
}

router::~router() = default;

std::optional<life_cycle::destination> router::route(std::string_view text) const {
  const auto core = trimmed(text);
  const re2::StringPiece piece(core.data(), core.size());
  for (const auto& [pattern, to] : routes_)
    if (RE2::PartialMatch(piece, *pattern)) return to;
  return {};
}

}  // namespace amc::broker
