#include "testing/moving_clock.hpp"

#include <algorithm>

namespace amc::testing {

struct moving_clock::waiting {
  time_point due;
  std::function<void()> fire;
  timer real{};
};

timers::timer moving_clock::start(milliseconds delay, std::function<void()> fire) {
  auto one = std::make_shared<waiting>(waiting{now() + delay, std::move(fire)});
  start_again(one, *real_, now());
  std::erase_if(all_, [](const auto& gone) { return gone.expired(); });
  all_.push_back(one);
  return one;
}

void moving_clock::start_again(const std::shared_ptr<waiting>& one, timers& real, time_point now) {
  const auto left = std::max(std::chrono::ceil<milliseconds>(one->due - now), milliseconds(0));
  one->real = real.start(left, [here = std::weak_ptr(one)] {
    const auto there = here.lock();
    if (!there || !there->fire) return;
    const auto fire = std::exchange(there->fire, nullptr);
    fire();
  });
}

void moving_clock::advance(milliseconds by) {
  ahead_ = ahead_.load() + by;
  std::vector<std::shared_ptr<waiting>> all;
  for (const auto& one : std::exchange(all_, {}))
    if (auto there = one.lock(); there && there->fire) all.push_back(std::move(there));
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->due < b->due; });
  for (auto& one : all) {
    all_.push_back(one);
    const std::weak_ptr<waiting> still = one;
    const bool is_due = one->due <= now();
    if (!is_due) start_again(one, *real_, now());
    one.reset();
    // Whoever started it may have dropped it meanwhile: then it does not fire.
    if (auto there = is_due ? still.lock() : nullptr; there && there->fire) {
      const auto fire = std::exchange(there->fire, nullptr);
      fire();
    }
  }
}

}  // namespace amc::testing
