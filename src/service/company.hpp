#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace amc::service {

class work_rules;

/// The services of one process. A message that was left unanswered twice is claimed only when none of them has anything
/// else in hand: if it kills the process again, it takes nobody along. For one thread.
class company {
 public:
  /// `go_on` is called when a member that had to wait may look again.
  void join(const work_rules& who, std::function<void()> go_on);
  void leave(const work_rules& who);

  /// Whether the member has claims under way or messages in hand.
  void is_busy(const work_rules& who, bool busy);

  /// False while another member runs alone, or waits to.
  bool may_claim(const work_rules& who) const { return !alone_ || alone_ == &who; }
  /// The others claim nothing from now on. True once none of them is busy.
  bool alone(const work_rules& who);
  /// Deliveries in hand, of all members.
  std::size_t in_hand() const;

  /// Ends that.
  void together(const work_rules& who);

 private:
  struct member {
    const work_rules* who = nullptr;
    std::function<void()> go_on{};
    bool busy = false;
  };

  std::vector<member> members_;
  const work_rules* alone_ = nullptr;  ///< who runs alone, or waits to
};

}  // namespace amc::service
