#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "message_store/postgresql/values.hpp"
#include "message_store/store.hpp"

/// What a statement over many changes is given: `asked`, with a row for each change. The members of guards and effects
/// stand here, each with what it means in SQL; a new row is given as the columns that it will have.
namespace amc::message_store::postgresql {

struct asked_change {
  const change& what;
  std::optional<message> inserted{};  ///< the new row, at the time 0
};

struct asked_column {
  std::string name;
  const char* type;
  std::function<void(const asked_change&, array_text& to)> add;
  /// A member of a guard: what the row `m` must be like where it is given. A member of an effect: what it sets, if it
  /// is the one that says so.
  std::string sql{};
};

/// Guarded changes: the ids, and what follows in the order of `asked_sql`.
const std::vector<asked_column>& asked_of_updates();
/// New rows.
const std::vector<asked_column>& asked_of_inserts();

/// "asked AS MATERIALIZED (SELECT * FROM unnest($2::uuid[], …) AS c(id, …))": a parameter for each, from $2 on.
std::string asked_sql(const std::vector<asked_column>& of);
/// Those parameters.
void add_asked(parameters& to, const std::vector<asked_column>& of, std::span<const asked_change> changes);

/// "text = coalesce(new_text, m.text), …"
std::string assignments_sql();
/// "(if_status IS NULL OR m.status = if_status) AND …"
std::string conditions_sql();
/// The values of new rows, in the order of `columns`.
std::string inserted_sql();

/// How a statement is given patterns of queues: a line for each, as LIKE reads it.
std::string like_patterns(const queue_patterns& of);
/// Whether the queue that a row is in, or was in last, is among these; the prefix stands before the columns' names.
std::string in_queues_sql(const std::string& prefix, const std::string& patterns);

}  // namespace amc::message_store::postgresql
