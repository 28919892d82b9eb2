#include "broker/refused_answers.hpp"

#include <utility>

#include "core/text.hpp"

namespace amc::broker {
namespace {

constexpr std::size_t kept_max = 1'000, why_max_bytes = 300;

}  // namespace

bool refused_answers::note(const message& m, const std::string& why) {
  refusal latest{m.revision, m.claim, std::string(shortened(why, why_max_bytes))};
  const auto [found, is_new] = latest_.try_emplace(m.id, latest);
  if (!is_new) return std::exchange(found->second, latest) != latest;
  in_order_.push_back(m.id);
  if (in_order_.size() <= kept_max) return true;
  latest_.erase(in_order_.front());
  in_order_.pop_front();
  return true;
}

std::optional<std::string> refused_answers::latest_to(const message& m) const {
  const auto found = latest_.find(m.id);
  if (found == latest_.end() || found->second.revision != m.revision) return {};
  return found->second.why;
}

std::optional<std::string> refused_answers::latest_under(const claimed& work) const {
  const auto found = latest_.find(work.ready.id);
  if (found == latest_.end() || found->second.claim != work.claim) return {};
  return found->second.why;
}

}  // namespace amc::broker
