#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "core/access.hpp"
#include "core/environment.hpp"
#include "core/error.hpp"

namespace amc::access {

/// What each principal has taken of this broker, against what it may, so that no one of them can leave the others
/// without. What is refused is `over_quota`, says when to come again, and is counted by principal and quota. A null
/// principal may take what there is. Costs memory for those who have asked within the last second, and who wait. For
/// one thread.
class quotas {
 public:
  /// `of_each`: of whoever has none of its own.
  quotas(const environment& env, quota of_each);

  /// One more request, which is counted where it is not refused. What is not used within a second is gone.
  std::optional<error> admit(const principal_ptr& by);
  /// What `admit` would say; nothing is counted.
  std::optional<error> refuses(const principal_ptr& by);
  /// Bytes of a request or an answer, whatever they are: who has taken more than it may is refused until the time makes
  /// up for it.
  void charge(const principal_ptr& by, std::size_t bytes);

  /// One request that waits, until this is destroyed.
  class place {
   public:
    place() = default;
    explicit place(std::shared_ptr<std::size_t> taken) : taken_(std::move(taken)) { ++*taken_; }
    place(place&& from) noexcept = default;
    place& operator=(place&& from) = delete;
    ~place() {
      if (taken_) --*taken_;
    }

   private:
    std::shared_ptr<std::size_t> taken_{};
  };
  result<place> park(const principal_ptr& by);

  /// How many messages that are pending it may own; 0: any number.
  std::size_t pending_max(const principal_ptr& by) const;
  error over_pending(const principal_ptr& by);

 private:
  struct takings {
    double requests = 0;  ///< that it may make at once
    double bytes = 0;     ///< the same; less than none where it took more than it might
    timers::time_point since{};
    std::shared_ptr<std::size_t> parked = std::make_shared<std::size_t>(0);
  };

  takings& of(const principal& by);
  std::optional<error> judged(const principal& by, const takings& of_it);
  error over(const principal& by, const char* key, std::size_t most, const char* what, double come_again_s);
  void forget_the_idle();

  environment env_;
  quota of_each_;
  metrics::counters& refusals_;
  std::map<std::string, takings, std::less<>> all_;
  std::set<std::string, std::less<>> told_;  ///< in numbers, by name
};

}  // namespace amc::access
