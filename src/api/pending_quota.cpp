#include "api/pending_quota.hpp"

#include <algorithm>

#include "broker/messages.hpp"

namespace amc::api {

bool pending_quota::is_fresh(const known& its) const {
  constexpr std::chrono::seconds counted_again_after{1};
  return its.at != timers::time_point() && env_.timers->now() - its.at < counted_again_after;
}

task<std::size_t> pending_quota::take(broker::messages& all, principal_ptr by, std::size_t wanted, std::size_t most) {
  auto found = all_.find(by->name);
  if (found == all_.end() || !is_fresh(found->second)) {
    const auto begun = env_.timers->now();
    const auto since_before = found == all_.end() ? 0 : found->second.since;
    // One more than may be need not be told from many more.
    const auto counted = co_await all.pending_of(by->name, most);
    constexpr std::size_t known_max = 10'000;
    // not covered: takes 10,000 principals within a second
    if (all_.size() >= known_max) std::erase_if(all_, [this](const auto& each) { return !is_fresh(each.second); });
    found = all_.try_emplace(by->name).first;
    auto& its = found->second;
    // Another request may have counted meanwhile, and started anew.
    its = {counted, its.since >= since_before ? its.since - since_before : its.since, begun};
  }
  auto& its = found->second;
  const auto there = its.counted + its.since;
  const auto room = std::min(wanted, most - std::min(most, there));
  its.since += room;
  co_return room;
}

}  // namespace amc::api
