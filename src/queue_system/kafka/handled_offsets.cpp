#include "queue_system/kafka/handled_offsets.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace amc::queue_system::kafka {
namespace {

/// Digits from the front of the text; -1 when there are none.
std::int64_t take_number(std::string_view& text) {
  std::int64_t number = -1;
  const bool is_digit = !text.empty() && text.front() >= '0' && text.front() <= '9';
  if (!is_digit) return -1;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return failed == std::errc() ? number : -1;
}

bool take(std::string_view& text, char expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

handled_offsets::handled_offsets(std::int64_t low, std::string_view above) : low_(low) {
  // More than a partition can have open; bounds what a text that somebody else wrote can say.
  constexpr std::int64_t farthest = 1'000'000'000;
  std::int64_t before = 0;
  while (!above.empty()) {
    const bool goes_on = ranges_.empty() || take(above, ',');
    const auto first = take_number(above);
    const auto last = take(above, '-') ? take_number(above) : -1;
    if (!goes_on || first <= before || last < first || last > farthest) {
      ranges_.clear();
      return;
    }
    ranges_[low + first] = low + last;
    before = last + 1;
  }
}

void handled_offsets::add(std::int64_t first, std::int64_t last) {
  first = std::max(first, low_);
  if (first > last) return;
  // The ranges that it touches become part of it.
  auto next = ranges_.upper_bound(last + 1);
  while (next != ranges_.begin() && std::prev(next)->second >= first - 1) {
    const auto touched = std::prev(next);
    first = std::min(first, touched->first);
    last = std::max(last, touched->second);
    next = ranges_.erase(touched);
  }
  if (first == low_)
    low_ = last + 1;
  else
    ranges_[first] = last;
}

bool handled_offsets::contains(std::int64_t offset) const {
  if (offset < low_) return true;
  const auto after = ranges_.upper_bound(offset);
  return after != ranges_.begin() && std::prev(after)->second >= offset;
}

std::int64_t handled_offsets::count_above() const {
  std::int64_t count = 0;
  for (const auto& [first, last] : ranges_) count += last - first + 1;
  return count;
}

std::string handled_offsets::above(std::size_t max_bytes) const {
  std::string all;
  for (const auto& [first, last] : ranges_) {
    const auto range = (all.empty() ? "" : ",") + std::to_string(first - low_) + "-" + std::to_string(last - low_);
    if (all.size() + range.size() > max_bytes) break;
    all += range;
  }
  return all;
}

}  // namespace amc::queue_system::kafka
