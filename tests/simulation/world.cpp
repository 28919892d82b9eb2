#include "tests/simulation/world.hpp"

#include <algorithm>

namespace amc::simulation {
namespace {

bool later_than(const planned& a, const planned& b) {
  return a.at != b.at ? a.at > b.at : a.number > b.number;
}

/// Before everything, with room to subtract.
constexpr milliseconds long_ago{-3'600'000};

}  // namespace

void agenda::add(milliseconds at, std::function<void()> action) {
  heap_.push_back({at, ++last_number_, std::move(action)});
  std::push_heap(heap_.begin(), heap_.end(), later_than);
}

planned agenda::take() {
  std::pop_heap(heap_.begin(), heap_.end(), later_than);
  auto first = std::move(heap_.back());
  heap_.pop_back();
  return first;
}

world::world(const scenario& what, bool prints) : scenario_(what), random_(what.seed, 1), trace_(prints) {
  troubles_.fill(long_ago);
  constexpr std::uint64_t first_fault_stream = 100;
  for (std::size_t i = 0; i < faults; ++i) fault_random_.emplace_back(what.seed, first_fault_stream + i);
}

void world::later(milliseconds delay, std::function<void()> action) {
  agenda_.add(now_ + delay, std::move(action));
}

bool world::step() {
  if (failure_ || agenda_.empty()) return false;
  auto next = agenda_.take();
  now_ = next.at;
  next.action();
  return true;
}

bool world::strikes(fault kind, double most) {
  if (!faulty() || !random(kind).chance(scenario_.of(kind) * most)) return false;
  if (may_cost_a_claim(kind)) ++claims_lost;
  note_trouble(kind, now_);
  return true;
}

void world::note_trouble(fault kind, milliseconds until) {
  auto& last = troubles_[static_cast<std::size_t>(kind)];
  last = std::max(last, until);
}

void world::note_trouble_of(const std::string& name, milliseconds until) {
  auto& last = troubles_of_.emplace(name, long_ago).first->second;
  last = std::max(last, until);
}

milliseconds world::last_trouble(std::initializer_list<fault> kinds) const {
  auto last = long_ago;
  for (const auto kind : kinds) last = std::max(last, troubles_[static_cast<std::size_t>(kind)]);
  return last;
}

milliseconds world::last_trouble_of(const std::string& name) const {
  const auto found = troubles_of_.find(name);
  return found == troubles_of_.end() ? long_ago : found->second;
}

void world::fail(const std::string& why) {
  if (failure_) return;
  failure_ = why;
  trace_.print(now_, "CHECK", why);
}

}  // namespace amc::simulation
