#pragma once

#include <optional>
#include <string>

#include "core/message.hpp"
#include "tests/simulation/journal.hpp"
#include "tests/simulation/scenario.hpp"

namespace amc::simulation {

/// A line of the table in docs/architecture.md.
enum class step {
  accept,
  claim,
  extend,
  answer,
  fail,
  release,
  cancel,
  retry,
  ring,
  bury,
  expire,
  reopen,
  edit,
  run_now,
  move
};

const char* to_string(step which);

/// Which line of the table has changed a row so, told by the row before and after it alone. `before` is null of a new
/// row. Nothing when no line does that. A run now of what a dead service had is a reopening.
std::optional<step> step_of(const message* before, const message& after, timestamp at);

/// The table in docs/architecture.md once more, as a judge: it sees rows and what clients have asked for, never the
/// guards and effects that the life cycle has made.
class life_table {
 public:
  life_table(const scenario& plan, const journal& told) : plan_(plan), told_(told) {}

  /// What is wrong with a change of a row at `at` of the store's clock; nothing when the table allows it.
  std::optional<std::string> objection(step which, const message* before, const message& after, timestamp at) const;

 private:
  const scenario& plan_;
  const journal& told_;
};

}  // namespace amc::simulation
