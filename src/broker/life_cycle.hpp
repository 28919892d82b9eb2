#pragma once

#include <optional>
#include <string>
#include <variant>

#include "amc/error.hpp"
#include "amc/store.hpp"

/// The life of a message, as plain logic without I/O: each function turns a request into a guarded change, and
/// `refusal` names the error when a row refused it. docs/architecture.md has the table.
namespace amc::broker::life_cycle {

/// Times that a change adds to the store's now.
struct policy {
  milliseconds lease{10'000};       ///< how long a claim lasts
  milliseconds ring_again{30'000};  ///< how long after a ringing a revision that nobody claimed is rung again
};

/// Where a text goes: to a queue, or nowhere because the message is done.
struct to_queue {
  std::string name;
};
struct to_done {};
using destination = std::variant<to_queue, to_done>;

/// Claims that may go unanswered before a message is only claimed alone.
constexpr int claims_in_company = 2;

/// A new message. `rings_now`: the caller rings once this is durable; otherwise it is due at once, for the sweeper.
change accept(const uuid& id, std::string text, const destination& to, bool rings_now, const policy& times);

/// The right to work on a revision, for one lease.
change claim(const event& ready, bool alone, const policy& times);

/// One more lease for the latest claim.
change extend(const event& ready, std::int64_t claim, const policy& times);

/// The next text. Without a revision the last writer wins, and the same text again changes nothing.
change answer(const uuid& id, std::optional<int> revision, std::string text, const destination& to, bool rings_now,
              const policy& times);

/// Gives a claim back unworked: somebody else may have it at once.
change release(const event& ready, std::int64_t claim);

/// The sweeper's: the row is still as it was read, and is now rung again.
change ring(const due_row& read, const policy& times);

/// Why a change was refused, given what became of it. For last-writer-wins answers it may be that nothing was left to
/// do: then there is no error.
std::optional<error> refusal(const change& refused, const outcome& became);

}  // namespace amc::broker::life_cycle
