#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/message.hpp"
#include "core/text.hpp"

/// What a service asks of a broker, as values: the same in a process, over HTTP, and on the store.
namespace amc {

/// The number of a new claim, of 64 random bits: a number is never given twice, so whoever names an old one changes
/// nothing of a newer claim, whatever a store has lost. From 1 to 2^53 - 1, which JSON numbers of every language hold
/// exactly; 0 is that of no claim.
constexpr std::int64_t claim_number(std::uint64_t random_bits) {
  constexpr std::uint64_t greatest = (std::uint64_t{1} << 53) - 1;
  return static_cast<std::int64_t>(random_bits % greatest + 1);
}

struct claim_request {
  event ready{};
  bool alone = false;
};

/// Which run of its revision a claimed row is for, counted from 1: claims without an outcome, and failures.
inline int attempt_of(const message& claimed) {
  return claimed.unanswered + claimed.failures;
}

struct claimed {
  event ready{};
  std::int64_t claim = 0;
};

struct failed_claim {
  claimed what{};
  std::string reason{};
  bool is_final = false;  ///< trying again would not help: the message is dead at once
};

/// Longer reasons are cut: ten of them are kept with each message.
constexpr std::size_t reason_max_bytes = 1'000;

/// A reason of a failure as it is told and kept: what is not UTF-8 and U+0000 are replaced, and it is cut. The one
/// place for that, on both sides.
inline std::string kept_reason(std::string_view told) {
  if (told.empty()) return "no reason told";
  return std::string(shortened(made_valid(shortened(told, reason_max_bytes)), reason_max_bytes));
}

/// 1 to 255 printable ASCII characters.
bool is_idempotency_key(std::string_view text);
constexpr const char* bad_idempotency_key = "An Idempotency-Key has 1 to 255 printable ASCII characters.";

/// What a W3C trace state may be at most, and of which characters. What is in it is its vendors'.
bool is_tracestate(std::string_view text);

/// Whether a queue may have this name, whatever the routes say: 1 to 100 characters of A-Z a-z 0-9 . _ -
bool is_queue_name(std::string_view name);

/// Where a text goes: to a queue, or nowhere because the message is done.
struct to_queue {
  std::string name;
};
struct to_done {};
using destination = std::variant<to_queue, to_done>;

/// What a new message, or an answer, says. A text says itself.
struct content {
  content() = default;
  content(std::string told) : text(std::move(told)) {}
  content(const char* told) : text(told) {}

  std::string text{};  ///< of any form
  content_form form = content_form::text;
  std::string content_type{};                    ///< empty: none was told
  std::optional<std::vector<header>> headers{};  ///< an answer without any leaves those of the message

  /// Of the value, or the bytes, that it stands for.
  std::size_t size() const;
};

struct answer_request {
  uuid id{};
  std::optional<int> revision{};  ///< without one the last writer wins
  content said{};
  std::optional<destination> to{};      ///< without one the routes decide
  std::optional<std::int64_t> claim{};  ///< that it was made under: then one must have been granted, this or another
};

}  // namespace amc
