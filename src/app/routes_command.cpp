#include "app/routes_command.hpp"

#include "broker/configuration.hpp"
#include "broker/router.hpp"
#include "core/log.hpp"
#include "core/standard_streams.hpp"
#include "core/text.hpp"
#include "service/contents.hpp"

namespace amc::app {
namespace {

/// "route 2, ^Hi, -> topic-a".
std::string line_about(const config& settings, std::size_t index) {
  const auto& route = settings.maps("broker.routes").at(index).as_object();
  const auto to =
      route.at("done").as_bool() ? std::string("done") : "queue " + std::string(route.at("queue").as_string());
  const auto& field = route.at("field");
  const auto where = field.is_null() ? std::string() : std::string(field.as_string()) + " ";
  return escaped("route " + std::to_string(index + 1) + ": " + where + std::string(route.at("match").as_string()) +
                 " -> " + to);
}

/// "queue orders: lease_ms 30000, max_claims 3"; empty where it is treated as any queue.
std::string treatment_of(const broker::router& routes, std::string_view text, content_form form) {
  const auto to = routes.route(text, form);
  const auto* queue = to ? std::get_if<to_queue>(&*to) : nullptr;
  if (!queue) return {};
  std::string told;
  for (const auto& [name, value] : routes.overrides_of(queue->name))
    told += (told.empty() ? "" : ", ") + name + " " + std::to_string(value);
  return told.empty() ? told : escaped("queue " + queue->name + ": " + told) + "\n";
}

}  // namespace

int routes_command(const config& settings, const std::optional<std::string>& asked, content_form form) {
  const broker::router routes(settings);
  const auto origin = settings.at("broker.routes").origin;
  if (!asked) {
    std::string all;
    for (std::size_t i = 0; i < settings.maps("broker.routes").size(); ++i) all += line_about(settings, i) + "\n";
    print(all + "The first that matches decides (broker.routes, from: " + origin + ").\n");
    return 0;
  }
  const auto text = *asked == "-" ? read_input(broker::message_max_bytes(settings)) : *asked;
  if (const auto wrong = amc::service::why_unfit(text, form, {})) throw config_error("what was given " + *wrong);
  if (const auto found = routes.matching(text, form)) {
    print(line_about(settings, *found) + "\n" + treatment_of(routes, text, form));
    return 0;
  }
  log::last_words("amc routes", "no route matches \"" + std::string(shortened(text, 200)) +
                                    "\": a broker answers 422; add a route to broker.routes (now from: " + origin +
                                    ")");
  return 1;
}

}  // namespace amc::app
