#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "queue_system/platform.hpp"

namespace amc::queue_system {

/// What a driver tells of itself: `registration NAME_engine()`, defined in its folder, is all of it that the program
/// needs to see.
struct registration {
  std::string name{};                                                   ///< as in queue_system.platform
  std::vector<config_key> keys{};                                       ///< beside queue_system.prefix
  std::shared_ptr<platform> (*make)(const config& settings) = nullptr;  ///< throws config_error
  std::string library{};  ///< that it is made with, as it is now linked: "rabbitmq-c 0.11.0"; empty: none
};

/// Every engine of this build. CMake writes this function, from the lines `amc_engine(NAME …)` in
/// src/queue_system/CMakeLists.txt.
const std::vector<registration>& registrations();

}  // namespace amc::queue_system
