#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "amc/error.hpp"
#include "amc/message.hpp"

/// The seam for message stores. The rules of a message's life stand in src/broker/life_cycle; a store only renders
/// guarded changes: it applies an effect to a row where the guard admits it, atomically.
namespace amc {

/// What a row must be like for a change to happen. An absent member asks for nothing. Times are compared with the
/// store's clock, in the store.
struct guard {
  std::optional<amc::status> status{};
  std::optional<int> revision{};
  std::optional<std::int64_t> claim{};  ///< number of the latest claim
  std::optional<bool> held{};
  std::optional<timestamp> due{};  ///< exactly this
  bool open = false;               ///< not held, or due has passed
  std::optional<int> unanswered_below{};
  std::optional<std::string> text_other_than{};
};

/// What a change does to a row. An absent member leaves its column alone.
struct effect {
  enum class count { keep, zero, one_more, one_less };

  std::optional<std::string> text{};  ///< and the next revision with it
  std::optional<amc::status> status{};
  std::optional<std::string> queue{};
  std::optional<bool> held{};
  std::optional<milliseconds> due_in{};  ///< due = the store's now + this
  bool new_claim = false;                ///< the next claim number
  count unanswered = count::keep;
  count failures = count::keep;
};

/// One change of one row.
struct change {
  uuid id{};
  bool insert = false;  ///< a new row: the effect applied to an empty one; refused where the id exists
  guard when{};
  effect then{};
  bool durable = true;  ///< synced before the outcome is told; without it a crash may undo it, whole
};

/// What became of a change. `now` is the row after it, or, where the guard refused, the row that refused; null where
/// there is none. `at` is the store's clock at the change.
struct outcome {
  bool applied = false;
  row now{};
  timestamp at{};
};

/// A row to ring: what its guard needs.
struct due_row {
  uuid id{};
  int revision = 0;
  std::string queue{};
  timestamp due{};
  bool held = false;
};

/// A message store. Blocking; used by one thread at a time. Every method may throw `unavailable`, whose reason says
/// what is known about the outcome. Expected refusals are outcomes, never exceptions.
class store {
 public:
  virtual ~store() = default;

  /// All changes, in order, in one transaction that is durable before this returns if any change asks for it. Each has
  /// its own outcome: one that is refused hinders no other. On an exception none was applied, unless its reason is
  /// outcome_unknown.
  virtual std::vector<outcome> apply(std::span<const change> batch) = 0;

  /// The rows with these ids, in order; null for an unknown one.
  virtual std::vector<row> find(std::span<const uuid> ids) = 0;

  /// Of each queue up to `limit` pending rows whose due has passed, oldest due first.
  virtual std::vector<due_row> due(std::size_t limit) = 0;

  /// Makes every pending row that is not held due now. For a start with an engine that is known to be empty.
  virtual void make_all_due() = 0;
};

/// Tells what other processes have changed in a store. Blocking; used by one thread. Throws `unavailable` while it
/// cannot be told; changes that were missed meanwhile are told as `everything` once it can.
class change_feed {
 public:
  struct news {
    std::vector<uuid> ids{};  ///< these rows may have changed
    bool everything = false;  ///< and so may have any other
  };
  virtual ~change_feed() = default;
  /// Returns as soon as there is something, and empty when the time is over.
  virtual news wait(milliseconds longest) = 0;
};

/// A store as it was opened.
struct opened_store {
  std::vector<std::unique_ptr<store>> drivers{};     ///< one for each thread that may work on it at once
  std::unique_ptr<change_feed> changes_elsewhere{};  ///< null where only this process can change it
};

/// Whether the guard admits the row, and the row after the effect: what `apply` means, for stores that hold a row in
/// hand. Stores that speak another language are held to it by the contract tests.
bool admits(const guard& when, const message& current, timestamp now);
message changed(const change& what, const message* current, timestamp now);

}  // namespace amc
