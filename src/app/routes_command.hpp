#pragma once

#include <optional>
#include <string>

#include "core/config.hpp"

namespace amc::app {

/// Prints the configured routes, or which of them decides where a text or a value ("-": stdin) goes and how its queue
/// is treated otherwise than others; asks no broker. Exit code 0, or 1 when no route matches the text.
int routes_command(const config& settings, const std::optional<std::string>& asked, content_form form);

}  // namespace amc::app
