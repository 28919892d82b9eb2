#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "message_store/store.hpp"

namespace amc::broker {

/// The claims of one queue that other processes have told of, in seconds of this process's clock. A process counts in
/// its own: which second that is here is settled when it is first heard. Plain logic.
class claims_elsewhere {
 public:
  /// `latest`: the second of this process's clock that has just ended. What is older than `kept` seconds goes.
  void add(const receiving& told, std::int64_t latest, std::int64_t kept);
  std::uint64_t in_second(std::int64_t number) const;
  /// From this second on all of them are known; the smallest number where nobody has told.
  std::int64_t known_since() const;

 private:
  struct process {
    std::int64_t behind = 0;  ///< what its seconds are counted by less than here
    std::int64_t first = 0;   ///< that is known, as counted here
    std::map<std::int64_t, std::uint32_t> taken{};
  };
  process& of(const receiving& told, std::int64_t latest);

  std::map<std::string, process, std::less<>> processes_;
};

}  // namespace amc::broker
