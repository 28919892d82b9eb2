#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace amc::queue_system::kafka {

/// Which offsets of one partition have been handled, in whatever order that happened. Kafka keeps one number for each
/// partition of a consumer group, the first offset that is not handled, and a text beside it; the text holds what has
/// been handled above, so that whoever gets the partition next skips it, and a depth counts it. Pure; holds one range
/// for each gap.
class handled_offsets {
 public:
  /// Everything below `low`, and what `above` says; a text that `above()` has not made says nothing.
  explicit handled_offsets(std::int64_t low, std::string_view above = {});

  /// From `first` to `last`, both included. What is handled already may be in it.
  void add(std::int64_t first, std::int64_t last);

  bool contains(std::int64_t offset) const;
  /// The first offset that is not handled: what may be committed.
  std::int64_t low() const { return low_; }
  /// How many above `low()` are handled.
  std::int64_t count_above() const;
  /// Them as "1-2,4-5", counted from `low()`. What does not fit into `max_bytes` is left off, highest first: it is
  /// delivered once more.
  std::string above(std::size_t max_bytes) const;

 private:
  std::int64_t low_;
  std::map<std::int64_t, std::int64_t> ranges_;  ///< above `low_`: first → last, with a gap before each
};

}  // namespace amc::queue_system::kafka
