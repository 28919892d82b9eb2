#include "message_store/availability.hpp"

#include <utility>

namespace amc::message_store {

std::optional<availability::news> availability::can_be_read() {
  if (state_ != state::unreadable) return {};
  state_ = state::untried;
  return is_back();
}

std::optional<availability::news> availability::can_be_written() {
  const auto before = std::exchange(state_, state::usable);
  if (before == state::untried || before == state::usable) return {};
  return is_back();
}

std::optional<availability::news> availability::has_failed(failed how, const std::string& why) {
  if (state_ == state::unwritable) return {};
  const auto before = std::exchange(state_, how == failed::writing ? state::unwritable : state::unreadable);
  if (before == state::unreadable) return {};
  return news{true, "cannot be used, requests are answered 503: " + why};
}

}  // namespace amc::message_store
