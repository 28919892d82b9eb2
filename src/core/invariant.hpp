#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "core/log.hpp"

namespace amc {

/// What must hold whatever happens outside: the rules of a state machine about itself. Looked at in every build. Where
/// it does not hold there is a defect: a critical line tells it, and the exception leaves the request or the process
/// before anything is done in a state that nobody has thought of.
inline void ensure(bool holds, std::string_view what) {
  if (holds) return;
  log::critical("amc", "a defect: it does not hold that " + std::string(what));
  throw std::logic_error("it does not hold that " + std::string(what));
}

/// Whether state machines look at the whole of themselves after each step: in builds for tests (AMC_THOROUGH_CHECKS).
#ifdef AMC_THOROUGH_CHECKS
constexpr bool thorough_checks = true;
#else
constexpr bool thorough_checks = false;
#endif

}  // namespace amc
