#pragma once

#include <string>

/// What the store says to the server.
namespace amc::message_store::postgresql {

/// Rendered once, from the tables of columns, guards and effects.
struct statements {
  std::string insert;  ///< $1 now, then as asked_of_inserts
  /// $1 now, then as asked_of_updates, then how many bytes are kept of what earlier revisions said.
  std::string update;
  /// What else an insert with a key needs. Before it, a key that is too old is taken from its row: $1 key, $2 now, $3
  /// how long it is kept. After it, the row that has the key, with its text if $3: $1 key, $2 now.
  std::string drop_key, find_key;
  std::string find;       ///< $1 ids, with commas between them
  std::string past;       ///< $1 id; gives what earlier revisions said, and the row
  std::string due;        ///< $1 now, $2 limit
  std::string waiting;    ///< $1 now, $2 queue, $3 how long after a ringing a row is due, $4 limit
  std::string list;       ///< $1 after, $2 rows to look at, $3 status, $4 queue, $5 limit, $6 bytes of texts
  std::string list_dead;  ///< the same, of the dead only
  std::string counts;     ///< $1 now
  std::string owned;      ///< $1 owner, $2 how many to count at most
  /// $1 now, $2 queue, $3 how long after a ringing a row is due, $4 due and $5 id of the row, $6 limit.
  std::string before;
  std::string holders;  ///< $1 now, $2 queue, $3 limit, $4 rows to look at
  /// $1 after, $2 younger ids are not looked at, $3 limit, $4 and $5: terminal since, dead since, $6 bytes of texts.
  std::string purge;
  std::string make_due;                            ///< $1 now, $2 limit, $3 queue: null for all
  std::string pause, resume, paused;               ///< $1 queue; to pause also $2 now, $3 who; the last takes nothing
  std::string try_insert, try_update, try_delete;  ///< a row that nobody else ever sees
  std::string now;                                 ///< $1 now
};

const statements& say();

/// Columns that stand before those of a row in the results of insert, update, find_key and find: whether the change was
/// applied, and the store's clock.
constexpr int outcome_columns = 2;
/// In those of `due` and `waiting`: whether it has expired.
constexpr int due_flag_columns = 1;
/// In those of `list`, which has a row of nulls for an empty page: whether more fits than the texts let through, the
/// number of rows that were looked at, the last of them.
constexpr int look_columns = 3;

}  // namespace amc::message_store::postgresql
