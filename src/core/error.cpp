#include "core/error.hpp"

namespace amc {

const char* to_string(errc code) {
  switch (code) {
    case errc::invalid:
      return "invalid";
    case errc::not_found:
      return "not_found";
    case errc::unroutable:
      return "unroutable";
    case errc::terminal:
      return "terminal";
    case errc::stale:
      return "stale";
    case errc::held:
      return "held";
    case errc::too_large:
      return "too_large";
    case errc::needs_alone:
      return "needs_alone";
    case errc::needs_room:
      return "needs_room";
    case errc::precondition:
      return "precondition";
    case errc::unidentified:
      return "unidentified";
    case errc::forbidden:
      return "forbidden";
    case errc::over_quota:
      return "over_quota";
    case errc::key_reused:
      return "key_reused";
    case errc::unreadable:
      return "unreadable";
    case errc::unknown:
      break;
  }
  return "unknown";
}

void throw_exception_from_error(const error& refusal, const boost::source_location&) {
  throw std::logic_error(std::string(to_string(refusal.code)) + ": " + refusal.detail);
}

}  // namespace amc
