#pragma once

#include <memory>

#include "queue_system/platform.hpp"

namespace amc::queue_system {

/// The keys of every engine.
config_provider provider();

/// The client library that an engine is made with, as it is now linked: "rabbitmq-c 0.11.0"; empty: none.
std::string library_of(const std::string& engine);

/// The engine that `queue_system.platform` names.
std::shared_ptr<platform> make_platform(const config& settings);

}  // namespace amc::queue_system
