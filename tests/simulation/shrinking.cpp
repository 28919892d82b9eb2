#include "tests/simulation/shrinking.hpp"

namespace amc::simulation {

scenario reduced(std::uint64_t seed, const reduction& by) {
  auto plan = scenario_of(seed);
  for (const auto& name : by.without) leave_out(plan, name);
  if (by.messages > 0) plan.messages = by.messages;
  return plan;
}

reduction shrink(std::uint64_t seed, const std::function<bool(const scenario&)>& fails) {
  reduction least;
  const auto take = [&](reduction smaller) {
    if (!fails(reduced(seed, smaller))) return false;
    least = std::move(smaller);
    return true;
  };
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (const auto& name : what_goes_wrong(reduced(seed, least))) {
      auto next = least;
      next.without.emplace_back(name);
      smaller = take(std::move(next)) || smaller;
    }
    const auto messages = reduced(seed, least).messages;
    for (int fewer = messages / 2; fewer > 0 && fewer < messages; fewer = (fewer + messages + 1) / 2)
      if (take({least.without, fewer})) {
        smaller = true;
        break;
      }
  }
  return least;
}

}  // namespace amc::simulation
