#pragma once

#include <map>
#include <string>

#include "core/access.hpp"
#include "core/environment.hpp"
#include "core/task.hpp"

namespace amc::broker {
class messages;
}

namespace amc::api {

/// How many pending messages each principal owns: counted in the store at most once a second, and since then by what
/// this broker lets through. So others who share the store are noticed within that second. For one thread.
class pending_quota {
 public:
  explicit pending_quota(const environment& env) : env_(env) {}

  /// How many of so many new messages of this principal there is room for, below `most`: they are counted as there.
  /// Throws `unavailable`.
  task<std::size_t> take(broker::messages& all, principal_ptr by, std::size_t wanted, std::size_t most);

 private:
  struct known {
    std::size_t counted = 0;
    std::size_t since = 0;  ///< let through after that
    timers::time_point at{};
  };

  bool is_fresh(const known& its) const;

  environment env_;
  std::map<std::string, known> all_;
};

}  // namespace amc::api
