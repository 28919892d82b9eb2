#include "queue_system/platforms.hpp"

#include <algorithm>

#include "core/invariant.hpp"
#include "queue_system/moving.hpp"
#include "queue_system/registration.hpp"

namespace amc::queue_system {

config_provider provider() {
  config_key choice{.path = "queue_system.platform",
                    .default_yaml = "embedded",
                    .help = "the queue engine; embedded lives inside the process and needs no server"};
  config_provider all{"queue_system", {}};
  for (const auto& engine : registrations()) choice.choices.push_back(engine.name);
  all.keys.push_back(choice);
  all.keys.push_back({.path = "queue_system.prefix",
                      .default_yaml = "''",
                      .help = "begins the name of every queue, so that several systems can share one server"});
  all.keys.push_back({.path = "queue_system.also_receive_from",
                      .kind = config_key::type::texts,
                      .default_yaml = "[]",
                      .help = "engines that the system moves away from: what is left in them is still received, and "
                              "nothing is published there any more. \"amc queues\" says what is left"});
  for (const auto& engine : registrations()) all.keys.insert(all.keys.end(), engine.keys.begin(), engine.keys.end());
  return all;
}

std::string library_of(const std::string& engine) {
  for (const auto& each : registrations())
    if (each.name == engine) return each.library;
  return "";  // not covered: what can be chosen is registered
}

namespace {

const registration* find_engine(std::string_view name) {
  const auto& all = registrations();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& engine) { return engine.name == name; });
  return found == all.end() ? nullptr : &*found;
}

/// Those that the system moves away from.
std::vector<left_engine> make_left(const config& settings, std::string_view newest) {
  constexpr const char* key = "queue_system.also_receive_from";
  std::vector<left_engine> left;
  for (const auto& name : settings.texts(key)) {
    const auto* engine = find_engine(name);
    const bool is_again =
        name == newest || std::any_of(left.begin(), left.end(), [&](const auto& one) { return one.name == name; });
    if (is_again) throw settings.complaint(key, "\"" + name + "\" is received from already");
    if (!engine || name == "embedded")
      throw settings.complaint(key, "\"" + name + "\" is no engine of this build that other processes reach");
    left.push_back({name, engine->make(settings)});
  }
  return left;
}

}  // namespace

std::shared_ptr<platform> make_platform(const config& settings) {
  const auto name = settings.text("queue_system.platform");
  const auto* found = find_engine(name);
  ensure(found, "the configuration chooses one of the engines");
  auto engine = found->make(settings);
  auto left = make_left(settings, name);
  return left.empty() ? std::move(engine) : make_moving(std::move(engine), std::move(left));
}

}  // namespace amc::queue_system
