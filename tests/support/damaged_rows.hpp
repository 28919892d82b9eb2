#pragma once

#include <gmock/gmock.h>

#include "broker/life_cycle.hpp"
#include "core/log.hpp"
#include "core/uuid_source.hpp"
#include "tests/support/configured.hpp"

namespace amc::tests {

/// A store whose rows somebody changes with a tool: `set`, which each store does in its own way, and what is told of
/// it.
class damaged_rows : public testing::Test {
 protected:
  damaged_rows() {
    log::redirect([this](const log::line& line) { told_.emplace_back(line.text); });
  }
  ~damaged_rows() override { log::redirect(nullptr); }

  void use(opened_store opened) {
    opened_ = std::move(opened);
    store_ = opened_.drivers.at(0).get();
  }
  uuid accept(std::optional<idempotency> once = {}) {
    const auto id = next_id_();
    auto what = broker::life_cycle::accept(id, "Hi, ", to_queue{"q"}, false, default_rules());
    what.then.once = std::move(once);
    EXPECT_TRUE(apply(what).applied);
    return id;
  }
  outcome apply(const change& what) {
    const std::vector<change> batch{what};
    return store_->apply(batch).at(0);
  }
  found_row find(const uuid& id) {
    const std::vector<uuid> ids{id};
    return store_->find(ids, true).at(0);
  }
  std::vector<uuid> listed(const list_filter& filter = {}) {
    std::vector<uuid> ids;
    for (const auto& m : opened_.reader->list(filter).rows) ids.push_back(m->id);
    return ids;
  }
  std::vector<std::string> told_of(const uuid& id) const {
    std::vector<std::string> lines;
    for (const auto& line : told_)
      if (line.find(to_string(id)) != std::string::npos) lines.push_back(line);
    return lines;
  }

  timestamp now_{milliseconds(1'700'000'000'000)};
  uuid_source next_id_ = uuid_v7_source([this] { return now_; }, [] { return std::uint64_t{42}; });
  std::vector<std::string> told_;
  opened_store opened_;
  store* store_ = nullptr;
};

/// What a row is damaged with, and what the log names then.
struct row_damage {
  std::string name;
  std::string values;
  std::string column;
};

}  // namespace amc::tests
