#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/message.hpp"

/// Who may do what with the messages of which queues, once access is configured.
namespace amc {

/// What somebody may do with the messages of a queue. docs/operations.md says what each allows.
enum class right {
  send,     ///< post messages to it
  serve,    ///< receive, claim, extend, answer, fail and release what is in it
  read,     ///< list, show and count what is in it
  operate,  ///< retry, cancel and overwrite what is in it
};
inline constexpr std::array all_rights{right::send, right::serve, right::read, right::operate};

/// "send", "serve", "read", "operate".
const char* to_string(right value);
std::optional<right> parse_right(std::string_view text);

/// Queues by their names, or by how their names begin: "orders", "team-*", "*".
class queue_patterns {
 public:
  /// Whether a text is one: the name of a queue, or the beginning of names and a star.
  static bool is_one(std::string_view text);
  void add(std::string pattern) { all_.push_back(std::move(pattern)); }

  bool has(std::string_view queue) const;
  /// Every queue, and what was never in one.
  bool has_all() const { return has(""); }
  bool empty() const { return all_.empty(); }
  const std::vector<std::string>& patterns() const { return all_; }

 private:
  std::vector<std::string> all_;
};

/// How much of a broker one principal may take. 0: as much as there is; absent: what the configuration says of
/// everybody.
struct quota {
  std::optional<std::size_t> requests_per_s{};
  std::optional<std::size_t> bytes_per_s{};  ///< bodies of requests and of their answers
  std::optional<std::size_t> parked_max{};   ///< requests that wait, for messages or for work
  std::optional<std::size_t> pending_max{};  ///< messages that it owns and that are pending
};

/// What somebody is recognized by. A file of the broker's names tokens and certificates; JWTs an issuer.
enum class credential_kind { token, certificate, jwt };

/// Somebody who asks, with what its credential allows it; never changed. A null pointer to one stands for an asker to
/// whom everything is allowed: the broker itself, and everybody where no access is configured.
struct principal {
  /// Rows, keys and claims know it by this. `is_name` holds for those that the broker's file names; those that an
  /// issuer names have another one (`name_by_issuer`), so that neither can pass for the other.
  std::string name;
  std::string credential;  ///< by which it was recognized, and can be again; no secret
  std::array<queue_patterns, all_rights.size()> queues{};
  std::optional<timestamp> expires_at{};  ///< wall clock; what it holds is refused from then on
  quota own_quota{};
  credential_kind kind = credential_kind::token;

  /// 1 to 100 characters of A-Z a-z 0-9 . _ -
  static bool is_name(std::string_view text);

  const queue_patterns& where(right what) const { return queues[static_cast<std::size_t>(what)]; }
  bool may(right what, std::string_view queue) const { return where(what).has(queue); }
  bool may_somewhere(right what) const { return !where(what).empty(); }
  /// Whether it may know what there is in a queue.
  bool sees(std::string_view queue) const;
  bool sees_everything() const { return sees(""); }
};
using principal_ptr = std::shared_ptr<const principal>;

/// The name of somebody whom an issuer of JWTs knows by `subject`, as rows keep it: "billing@https:%2F%2Fidp.example".
/// It has no slash, as no principal's name has: what stands behind one is what a holder tells of itself.
std::string name_by_issuer(std::string_view subject, std::string_view issuer);

/// Whose right decides about a message: that of the queue it is in, or was in last. Empty where it was never in one.
std::string_view queue_of(const message& m);

inline bool is_owner(const principal& by, const message& m) {
  return m.owner == by.name;
}
/// Whether it may know that there is this message.
inline bool sees(const principal& by, const message& m) {
  return is_owner(by, m) || by.sees(queue_of(m));
}

/// The holder of a claim as a row keeps it: the principal, and behind a slash what it told of itself.
std::string holder_of(const principal_ptr& by, std::string_view told);
/// Whether a row's holder is this principal, whatever it told of itself.
bool is_holder(std::string_view principal_name, std::string_view holder);

}  // namespace amc
