#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>

namespace amc {

/// Why a request was refused. These are expected outcomes and travel as `result<T>`.
enum class errc {
  invalid,       ///< the input is malformed; the detail says what and where
  not_found,     ///< no message has this id
  unroutable,    ///< no route matches the text; nothing was stored
  terminal,      ///< the message is done, dead, cancelled or expired
  stale,         ///< the message has moved on to another revision, or the claim is not the latest
  held,          ///< somebody else works on this revision, or it is not due yet
  too_large,     ///< the text has more bytes than this broker takes; the detail names the key
  needs_alone,   ///< left unanswered twice: claim it with `alone`, and nothing else in hand
  needs_room,    ///< its text is larger than its share of an answer to so many: claim it by itself, in a request of one
  precondition,  ///< If-Match is missing
  unidentified,  ///< access is configured, and nothing says who asks, or what does is not (or no longer) known
  forbidden,     ///< who asks has no right to this
  over_quota,    ///< who asks has taken as much as it may; the detail names the key, and it may come again
  key_reused,    ///< the Idempotency-Key was used for another request
  unreadable,    ///< the message's row is damaged, which only a person can mend; whether it was changed is not known
  unknown,       ///< a refusal of a newer broker that this version has no code for; the detail has the broker's words
};

/// The stable name of a code, as it stands in answers and logs: "not_found", "stale", …
const char* to_string(errc code);

/// A refusal: the code for programs, the detail for people. Never carries secrets.
struct error {
  errc code;
  std::string detail;
  bool hides = false;  ///< not_found, of what is there: who asks may not know it. For the log, and for nobody else
  std::chrono::seconds come_again{};  ///< over_quota: not sooner
};

/// The answer to a request, or why it was refused.
template <class T>
using result = boost::system::result<T, error>;

/// Infrastructure that failed: the store, a queue engine or a peer is away, full or overloaded. Thrown, and caught at
/// two borders only: the HTTP session (503) and the service's loop (wait, try again).
class unavailable : public std::exception {
 public:
  enum class reason {
    away,             ///< cannot be reached; nothing is known to have been changed
    refused,          ///< is there and says no (password, rights, other settings): only a person can mend it
    full,             ///< no room on its disk; nothing was changed
    overloaded,       ///< too much waits already; nothing was changed
    outcome_unknown,  ///< lost while committing: the change may or may not have happened
    broken,           ///< cannot go on safely; the process must stop and recover
  };

  unavailable(reason why, std::string what) : why_(why), what_(std::move(what)) {}

  const char* what() const noexcept override { return what_.c_str(); }
  reason why() const { return why_; }

 private:
  reason why_;
  std::string what_;
};

/// The process cannot start or go on; `what()` is one line that says what, where and what to do.
class startup_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The configuration is wrong: exit code 2 instead of 1.
class config_error : public startup_error {
 public:
  using startup_error::startup_error;
};

/// Makes `result<T>::value()` on a refusal throw. Found by Boost through argument-dependent look-up.
[[noreturn]] void throw_exception_from_error(const error& refusal, const boost::source_location& where);

}  // namespace amc
