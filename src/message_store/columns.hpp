#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "message_store/store.hpp"

/// The columns of a message, each written down once. A store renders its statements, its parameters and the reading of
/// a row from this table; of its own it has only how its engine says a type, and the migration that makes the column.
namespace amc::message_store {

struct column {
  using member = std::variant<uuid message::*, int message::*, std::int64_t message::*, bool message::*,
                              std::string message::*, status message::*, timestamp message::*, milliseconds message::*,
                              std::optional<timestamp> message::*, std::vector<attempt> message::*,
                              content_form message::*, std::vector<header> message::*>;
  /// The least that writes it: each of these writes what those before it write as well.
  /// What the history tells counts as a change of place.
  enum class writer { any_change, change_of_place, change_of_text, insert };

  const char* name;
  member value;
  writer written_by;
  bool null_where_empty = false;  ///< of a text
};

/// The text is the last: what does without it reads the others.
inline constexpr column columns[] = {
    {"id", &message::id, column::writer::insert},
    {"revision", &message::revision, column::writer::any_change},
    {"status", &message::status, column::writer::change_of_place},
    {"queue", &message::queue, column::writer::change_of_place},
    {"due", &message::due, column::writer::any_change},
    {"held", &message::held, column::writer::any_change},
    {"claim", &message::claim, column::writer::any_change},
    {"unanswered", &message::unanswered, column::writer::any_change},
    {"failures", &message::failures, column::writer::any_change},
    {"created_at", &message::created_at, column::writer::insert},
    {"updated_at", &message::updated_at, column::writer::any_change},
    {"lease", &message::lease, column::writer::any_change},
    {"max_claims", &message::max_claims, column::writer::any_change},
    {"attempts", &message::attempts, column::writer::change_of_place},
    {"expires_at", &message::expires_at, column::writer::insert},
    {"idempotency_key", &message::idempotency_key, column::writer::insert, true},
    {"fingerprint", &message::fingerprint, column::writer::insert},
    {"traceparent", &message::traceparent, column::writer::insert},
    {"tracestate", &message::tracestate, column::writer::insert},
    {"owner", &message::owner, column::writer::insert},
    {"form", &message::form, column::writer::change_of_text},
    {"content_type", &message::content_type, column::writer::change_of_text},
    {"headers", &message::headers, column::writer::change_of_text},
    {"holder", &message::holder, column::writer::any_change},
    {"last_queue", &message::last_queue, column::writer::change_of_place},
    {"history", &message::history, column::writer::change_of_place},
    {"rung_at", &message::rung_at, column::writer::any_change},
    {"claimed_at", &message::claimed_at, column::writer::any_change},
    {"erased_at", &message::erased_at, column::writer::change_of_text},
    {"text", &message::text, column::writer::change_of_text},
};

/// The column that keeps a member.
template <class T>
constexpr const column& column_of(T message::*kept) {
  const column* found = nullptr;
  for (const auto& c : columns)
    if (c.value == column::member(kept)) found = &c;
  return *found;  // a member without a column does not compile where this is constexpr
}

inline constexpr std::span<const column> all_columns{columns};
inline constexpr auto columns_without_text = all_columns.first<std::size(columns) - 1>();
static_assert(&column_of(&message::text) == &columns[std::size(columns) - 1]);

/// What `due_row_of` needs.
inline constexpr std::array due_columns{column_of(&message::id),         column_of(&message::revision),
                                        column_of(&message::queue),      column_of(&message::due),
                                        column_of(&message::held),       column_of(&message::unanswered),
                                        column_of(&message::max_claims), column_of(&message::traceparent)};

/// "id, revision, …", each with the prefix before its name.
std::string names(std::span<const column> of, std::string_view prefix = "");

due_row due_row_of(const message& read, bool expired);

}  // namespace amc::message_store
