#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "core/message.hpp"

/// How fast a queue is worked off, and how long what waits in it may take. Plain logic without I/O.
namespace amc::broker {

/// How fast revisions were claimed while others waited.
struct pace {
  double taken = 0;       ///< so many
  double seconds = 0;     ///< in so long
  double dispersion = 1;  ///< how much less even than by chance: claims that come ten at once make it ten
  double per_second() const { return taken / seconds; }
};

/// From how many were claimed in each second of a span. Nothing where these are too few to say anything.
std::optional<pace> pace_of(std::span<const double> taken_in_each_second);

/// When a revision will be claimed, from now on: in nine of ten cases or more between `low` and `high`.
struct time_range {
  milliseconds low{}, likely{}, high{};
};
/// `before`: so many are claimed before it. Nothing where the pace says too little for that.
std::optional<time_range> time_until_taken(std::size_t before, const pace& at);

}  // namespace amc::broker
