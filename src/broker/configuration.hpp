#pragma once

#include "amc/config.hpp"

namespace amc::broker {

/// Routes, how their messages are treated, and what the maintenance does.
config_provider provider();

}  // namespace amc::broker
