#pragma once

#include <array>

#include "app/processes.hpp"

namespace amc::fuzz {

/// The keys that routes need, and some of each other type. All of them would take most of a fuzzer's time to set up.
inline const std::vector<config_provider>& few_keys() {
  static const auto few = [] {
    constexpr std::array<std::string_view, 6> wanted{"log.level",
                                                     "broker.http.port",
                                                     "broker.store.sqlite.path",
                                                     "broker.store.postgresql.url",
                                                     "queue_system.rabbitmq.verify",
                                                     "consumer_services.name_provider.names"};
    auto all = app::providers();
    for (auto& provider : all)
      std::erase_if(provider.keys, [&](const config_key& key) {
        const bool is_route = key.path.starts_with("broker.") && key.path.find('.', 7) == std::string::npos;
        return !is_route && std::find(wanted.begin(), wanted.end(), key.path) == wanted.end();
      });
    return all;
  }();
  return few;
}

}  // namespace amc::fuzz
