#include "core/patience.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/back_off.hpp"
#include "core/log.hpp"

namespace amc {

config_provider startup_provider() {
  return {"app",
          {{.path = "app.startup_timeout_ms",
            .kind = config_key::type::integer,
            .default_yaml = "60000",
            .help = "how long a starting process waits for what it needs (store, queue engine, "
                    "broker) before it gives up",
            .min = 0,
            .max = 86'400'000}}};
}

void patiently(stop_request& stop, const config& settings, const std::string& what,
               const std::function<void()>& attempt) {
  const auto longest = settings.duration("app.startup_timeout_ms");
  const auto deadline = std::chrono::steady_clock::now() + longest;
  back_off pause;
  for (bool told = false;;) {
    std::string why;
    try {
      return attempt();
    } catch (const unavailable& failed) {
      why = failed.what();
      if (failed.why() == unavailable::reason::refused) throw startup_error(why + "; check " + what);
    }
    if (std::chrono::steady_clock::now() >= deadline)
      throw startup_error("gave up after waiting " + std::to_string(longest.count()) +
                          " ms (app.startup_timeout_ms) for " + what + ": " + why);
    if (!std::exchange(told, true)) log::warning("amc", "waits for " + what + ": " + why);
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    stop.pause(std::clamp(pause.next(), milliseconds(1), std::max(left, milliseconds(1))));
  }
}

}  // namespace amc
