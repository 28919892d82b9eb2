#include "tests/support/memory_store.hpp"

#include <algorithm>

namespace amc::tests {

std::vector<outcome> memory_store::apply(std::span<const change> batch) {
  fail_as_told();
  std::vector<outcome> outcomes;
  for (const auto& what : batch) {
    const auto found = rows_.find(what.id);
    const auto current = found == rows_.end() ? nullptr : found->second;
    if (what.insert ? current != nullptr : !current || !admits(what.when, *current, now_())) {
      outcomes.push_back({false, current, now_()});
      continue;
    }
    const auto after = std::make_shared<const message>(changed(what, current.get(), now_()));
    rows_[what.id] = after;
    outcomes.push_back({true, after, now_()});
  }
  return outcomes;
}

std::vector<row> memory_store::find(std::span<const uuid> ids) {
  ++finds;
  fail_as_told();
  std::vector<row> found;
  for (const auto& id : ids) found.push_back(rows_.contains(id) ? rows_[id] : nullptr);
  return found;
}

std::vector<due_row> memory_store::due(std::size_t limit) {
  fail_as_told();
  std::map<std::string, std::vector<due_row>> queues;
  for (const auto& [id, m] : rows_)
    if (m->status == status::pending && m->due <= now_())
      queues[m->queue].push_back({id, m->revision, m->queue, m->due, m->held});
  std::vector<due_row> all;
  for (auto& [name, rows] : queues) {
    std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.due < b.due; });
    rows.resize(std::min(rows.size(), limit));
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

void memory_store::make_all_due() {
  fail_as_told();
  for (auto& [id, m] : rows_)
    if (m->status == status::pending && !m->held && m->due > now_()) {
      auto after = *m;
      after.due = now_();
      m = std::make_shared<const message>(after);
    }
}

}  // namespace amc::tests
