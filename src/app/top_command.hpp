#pragma once

#include "core/config.hpp"

namespace amc::app {

struct top_options {
  bool once = false;  ///< and no more, without touching the terminal otherwise
  int every_s = 2;
};

/// Shows what waits in each queue and how fast it is worked off, again and again until it is interrupted; once where
/// stdout is no terminal. Exit code 0, or 1 when the broker refuses.
int top_command(const config& settings, const top_options& asked);

}  // namespace amc::app
