#include "broker/claims_elsewhere.hpp"

#include <algorithm>
#include <limits>

namespace amc::broker {

void claims_elsewhere::add(const receiving& told, std::int64_t latest, std::int64_t kept) {
  auto& by = of(told, latest);
  auto number = told.second + by.behind;
  for (const auto taken : told.taken) {
    if (taken > 0) by.taken[number] = taken;
    --number;
  }
  for (auto& [name, each] : processes_) each.taken.erase(each.taken.begin(), each.taken.lower_bound(latest - kept));
  std::erase_if(processes_, [&](const auto& p) { return p.second.taken.empty() && p.first != told.from; });
}

/// A clock that has gone another way since it was heard first is begun with anew.
claims_elsewhere::process& claims_elsewhere::of(const receiving& told, std::int64_t latest) {
  constexpr std::int64_t apart_max = 5;
  const auto found = processes_.find(told.from);
  if (found != processes_.end() && std::abs(latest - told.second - found->second.behind) <= apart_max)
    return found->second;
  process begun{latest - told.second, latest - std::ssize(told.taken) + 1, {}};
  return processes_.insert_or_assign(told.from, std::move(begun)).first->second;
}

std::uint64_t claims_elsewhere::in_second(std::int64_t number) const {
  std::uint64_t sum = 0;
  for (const auto& [name, by] : processes_) {
    const auto found = by.taken.find(number);
    if (found != by.taken.end()) sum += found->second;
  }
  return sum;
}

std::int64_t claims_elsewhere::known_since() const {
  auto first = std::numeric_limits<std::int64_t>::min();
  for (const auto& [name, by] : processes_) first = std::max(first, by.first);
  return first;
}

}  // namespace amc::broker
