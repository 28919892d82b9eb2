#pragma once

#include <boost/functional/hash.hpp>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "core/message.hpp"
#include "core/work.hpp"

namespace amc::broker {

/// Why answers were refused, for whoever wonders why a message is not answered: a worker that does not look at what it
/// is told comes again and again. The latest refusal of each message, of the last thousand; in this process alone, and
/// gone with it. For one thread.
class refused_answers {
 public:
  /// Whether it is another one than the latest.
  bool note(const message& m, const std::string& why);
  /// Nothing where none to this revision was refused here.
  std::optional<std::string> latest_to(const message& m) const;
  /// Nothing where none under this claim was.
  std::optional<std::string> latest_under(const claimed& work) const;

 private:
  struct refusal {
    int revision = 0;
    std::int64_t claim = 0;
    std::string why{};
    bool operator==(const refusal&) const = default;
  };
  std::unordered_map<uuid, refusal, boost::hash<uuid>> latest_;
  std::deque<uuid> in_order_;  ///< the one that was noted first is the first to go
};

}  // namespace amc::broker
