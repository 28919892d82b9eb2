#include "app/routes_command.hpp"

#include "app/standard_streams.hpp"
#include "broker/router.hpp"
#include "core/log.hpp"
#include "core/text.hpp"

namespace amc::app {
namespace {

/// "route 2, ^Hi, -> topic-a".
std::string line_about(const config& settings, std::size_t index) {
  const auto& route = settings.maps("broker.routes").at(index).as_object();
  const auto to =
      route.at("done").as_bool() ? std::string("done") : "queue " + std::string(route.at("queue").as_string());
  return escaped("route " + std::to_string(index + 1) + ": " + std::string(route.at("match").as_string()) + " -> " +
                 to);
}

}  // namespace

int routes_command(const config& settings, const std::optional<std::string>& text) {
  const broker::router routes(settings);
  const auto origin = settings.at("broker.routes").origin;
  if (!text) {
    std::string all;
    for (std::size_t i = 0; i < settings.maps("broker.routes").size(); ++i) all += line_about(settings, i) + "\n";
    print(all + "The first that matches decides (broker.routes, from: " + origin + ").\n");
    return 0;
  }
  if (const auto found = routes.matching(*text)) {
    print(line_about(settings, *found) + "\n");
    return 0;
  }
  log::last_words("amc routes", "no route matches \"" + std::string(shortened(*text, 200)) +
                                    "\": a broker answers 422; add a route to broker.routes (now from: " + origin +
                                    ")");
  return 1;
}

}  // namespace amc::app
