#include "app/reloading.hpp"

#include <algorithm>

#include "app/processes.hpp"
#include "core/log.hpp"
#include "core/text.hpp"

namespace amc::app {
namespace {

/// "broker.queues_closed: false -> true (config/autoload/a.local.yaml:3)"
std::string difference(const config::entry& before, const config::entry& after) {
  constexpr std::size_t shown_max_bytes = 500;
  const auto shown = [](const config::entry& entry) {
    return std::string(shortened(printable(entry), shown_max_bytes));
  };
  return after.key.path + ": " + shown(before) + " -> " + shown(after) + " (" + after.origin + ")";
}

}  // namespace

reloading::reloading(const config& running, reread read, std::shared_ptr<broker::router> routes,
                     std::shared_ptr<config_in_force> shown)
    : running_(running),
      read_(std::move(read)),
      routes_(std::move(routes)),
      shown_(std::move(shown)),
      in_force_(running) {}

std::string reloading::operator()() {
  auto next = read_();
  check_configuration(next);
  routes_->reload(next);
  for (const auto& warning : next.warnings()) log::warning("config", warning);
  const auto reloadable = broker::router::keys();
  std::string changed;
  for (const auto& [path, entry] : next.entries()) {
    const bool can = std::find(reloadable.begin(), reloadable.end(), path) != reloadable.end();
    const auto& before = (can ? in_force_ : running_).at(path);
    if (before.value == entry.value) continue;
    if (can)
      changed += (changed.empty() ? "" : "; ") + difference(before, entry);
    else
      log::warning("config", "needs a restart to take effect: " + difference(before, entry));
  }
  shown_->reloaded(next, reloadable);
  in_force_ = std::move(next);
  return changed.empty() ? "routes and queues are as they were" : "reloaded " + changed;
}

}  // namespace amc::app
