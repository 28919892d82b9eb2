#include "tests/simulation/planted_seams.hpp"

#include <algorithm>

namespace amc::simulation::planting {
namespace {

class spoiled_changes : public store_through {
 public:
  spoiled_changes(std::unique_ptr<store> to, spoil_change spoil)
      : store_through(std::move(to)), spoil_(std::move(spoil)) {}
  std::vector<outcome> apply(std::span<const change> batch) override {
    std::vector<change> spoiled(batch.begin(), batch.end());
    for (auto& what : spoiled) spoil_(what);
    return to().apply(spoiled);
  }

 private:
  spoil_change spoil_;
};

class spoiled_due : public store_through {
 public:
  spoiled_due(std::unique_ptr<store> to, spoil_due spoil) : store_through(std::move(to)), spoil_(std::move(spoil)) {}
  std::vector<due_row> due(std::size_t limit) override {
    auto rows = to().due(limit);
    spoil_(rows);
    return rows;
  }

 private:
  spoil_due spoil_;
};

class spoiled_apply : public store_through {
 public:
  spoiled_apply(std::unique_ptr<store> to, platform& engine, spoil_apply spoil)
      : store_through(std::move(to)), engine_(engine), spoil_(std::move(spoil)) {}
  std::vector<outcome> apply(std::span<const change> batch) override { return spoil_(to(), batch, engine_); }

 private:
  platform& engine_;
  spoil_apply spoil_;
};

}  // namespace

seams changes(spoil_change spoil) {
  seams planted;
  planted.wrap_store = [spoil = std::move(spoil)](std::unique_ptr<store> to, process&, platform&) {
    return std::make_unique<spoiled_changes>(std::move(to), spoil);
  };
  return planted;
}

seams changes_that(bool (*are_meant)(const change&), spoil_change spoil) {
  return changes([are_meant, spoil = std::move(spoil)](change& what) {
    if (are_meant(what)) spoil(what);
  });
}

seams due(spoil_due spoil, spoil_change spoil_too) {
  seams planted;
  planted.wrap_store = [spoil = std::move(spoil), spoil_too = std::move(spoil_too)](
                           std::unique_ptr<store> to, process&, platform&) -> std::unique_ptr<store> {
    if (spoil_too) to = std::make_unique<spoiled_changes>(std::move(to), spoil_too);
    return std::make_unique<spoiled_due>(std::move(to), spoil);
  };
  return planted;
}

seams apply(spoil_apply spoil) {
  seams planted;
  planted.wrap_store = [spoil = std::move(spoil)](std::unique_ptr<store> to, process&, platform& engine) {
    return std::make_unique<spoiled_apply>(std::move(to), engine, spoil);
  };
  return planted;
}

std::vector<outcome> pretended(store& to, std::span<const change> batch) {
  std::vector<uuid> ids;
  for (const auto& what : batch) ids.push_back(what.id);
  const auto rows = to.find(ids, true);
  const auto now = to.now();
  std::vector<outcome> outcomes;
  for (std::size_t i = 0; i < batch.size(); ++i)
    outcomes.push_back({true, std::make_shared<const message>(changed(batch[i], rows[i].now.get(), now)), now});
  return outcomes;
}

std::vector<outcome> only_told(store& to, std::span<const change> batch, bool (*is_told)(const change&)) {
  std::vector<change> others;
  std::copy_if(batch.begin(), batch.end(), std::back_inserter(others), [&](const auto& c) { return !is_told(c); });
  auto done = to.apply(others);
  std::vector<outcome> outcomes;
  auto next = done.begin();
  for (const auto& what : batch)
    outcomes.push_back(is_told(what) ? pretended(to, std::span(&what, 1)).front() : *next++);
  return outcomes;
}

seams publishers(wrap_publisher wrap) {
  seams planted;
  planted.wrap_engine = [wrap = std::move(wrap)](std::unique_ptr<platform> to, process& by) {
    auto through = std::make_unique<platform_through>(std::move(to));
    through->publish = [wrap, &by](std::unique_ptr<queue_publisher> made) { return wrap(std::move(made), by); };
    return through;
  };
  return planted;
}

}  // namespace amc::simulation::planting
