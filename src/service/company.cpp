#include "service/company.hpp"

#include <algorithm>

#include "service/work_rules.hpp"

namespace amc::service {

void company::join(const work_rules& who, std::function<void()> go_on) {
  members_.push_back({&who, std::move(go_on)});
}

void company::leave(const work_rules& who) {
  std::erase_if(members_, [&](const member& m) { return m.who == &who; });
  together(who);
}

void company::is_busy(const work_rules& who, bool busy) {
  for (auto& m : members_)
    if (m.who == &who) m.busy = busy;
  if (busy || !alone_ || alone_ == &who) return;
  for (const auto& m : members_)
    if (m.who == alone_) return m.go_on();
}

bool company::alone(const work_rules& who) {
  if (!may_claim(who)) return false;
  alone_ = &who;
  return std::none_of(members_.begin(), members_.end(), [&](const member& m) { return m.busy && m.who != &who; });
}

std::size_t company::in_hand() const {
  std::size_t sum = 0;
  for (const auto& m : members_) sum += m.who->in_hand_count();
  return sum;
}

void company::together(const work_rules& who) {
  if (alone_ != &who) return;
  alone_ = nullptr;
  // One that goes on may run alone next; the others then find that they may not.
  for (const auto& m : members_)
    if (m.who != &who) m.go_on();
}

}  // namespace amc::service
