#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "tests/simulation/planted.hpp"
#include "tests/simulation/planted_through.hpp"
#include "tests/simulation/process.hpp"

/// The ways in which a bug is put into the seams of a run.
namespace amc::simulation::planting {

// ---- which change is which: told by what it guards and does, as the life cycle makes it ----

inline bool is_claim(const change& what) {
  return what.then.new_claim.has_value();
}
inline bool is_hand_off(const change& what) {
  return what.then.new_claim && what.then.text;
}
inline bool is_extension(const change& what) {
  return what.then.due_after_lease && !what.then.new_claim;
}
inline bool is_answer(const change& what) {
  return what.then.text && !what.insert;
}
inline bool is_failure(const change& what) {
  return what.then.failures == effect::count::one_more;
}
inline bool is_release(const change& what) {
  return what.then.unanswered == effect::count::one_less;
}
inline bool is_reopening(const change& what) {
  return !what.durable && what.when.claim && what.then.held == false && !is_release(what);
}
inline bool is_ringing(const change& what) {
  return !what.durable && !what.when.claim && what.then.held == false;
}
inline bool is_retry(const change& what) {
  return what.then.status == status::pending && !what.then.text;
}
inline bool is_edit(const change& what) {
  return is_answer(what) && what.when.status && *what.when.status != status::pending;
}
inline bool is_run_now(const change& what) {
  return what.when.unclaimed && !what.then.queue && !what.then.status;
}
inline bool is_move(const change& what) {
  return what.when.unclaimed && what.then.queue;
}
inline bool is_purge(const change& what) {
  return what.when.unclaimed && what.then.status == status::cancelled;
}
inline bool is_expiry(const change& what) {
  return what.then.status == status::expired;
}

// ---- stores ----

/// Renders a change wrongly.
using spoil_change = std::function<void(change&)>;
seams changes(spoil_change spoil);
/// Those of one kind.
seams changes_that(bool (*are_meant)(const change&), spoil_change spoil);

/// Shows wrongly what is due; and renders changes wrongly as well.
using spoil_due = std::function<void(std::vector<due_row>&)>;
seams due(spoil_due spoil, spoil_change spoil_too = nullptr);

/// Tells wrongly what became of changes.
using spoil_apply = std::function<std::vector<outcome>(store&, std::span<const change>, platform&)>;
seams apply(spoil_apply spoil);
/// As if it had been done.
std::vector<outcome> pretended(store& to, std::span<const change> batch);
/// The changes that this is true of are pretended, the others made.
std::vector<outcome> only_told(store& to, std::span<const change> batch, bool (*is_told)(const change&));

template <class Store>
seams stores() {
  seams planted;
  planted.wrap_store = [](std::unique_ptr<store> to, process&, platform&) {
    return std::make_unique<Store>(std::move(to));
  };
  return planted;
}

// ---- readers ----

template <class Reader>
seams readers() {
  seams planted;
  planted.wrap_reader = [](std::unique_ptr<store_reader> to) { return std::make_unique<Reader>(std::move(to)); };
  return planted;
}

// ---- engines ----

using wrap_publisher = std::function<std::unique_ptr<queue_publisher>(std::unique_ptr<queue_publisher>, process&)>;
seams publishers(wrap_publisher wrap);

}  // namespace amc::simulation::planting
