#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/http_api.hpp"
#include "core/access.hpp"
#include "core/error.hpp"

namespace amc::api {

/// Who asks, and for what: what decides, and what log lines about it say.
struct visitor {
  principal_ptr by{};     ///< null: no access is configured, or none is asked for here
  std::string address{};  ///< empty where it came over no network, and where `by` is null
  std::string_view method{}, route{};
  listener at = listener::http;

  bool may(right what, std::string_view queue) const { return !by || by->may(what, queue); }
};

/// A log line about what was refused to somebody for want of a right, whether or not it was told so. Nothing where the
/// error is another one.
void note_refusal(const visitor& who, const error& why, std::string_view subject);

/// One line about the entries of a request that were refused so.
class refusal_notes {
 public:
  explicit refusal_notes(const visitor& who) : who_(who) {}
  ~refusal_notes();
  refusal_notes(const refusal_notes&) = delete;
  refusal_notes& operator=(const refusal_notes&) = delete;
  void add(const error& why, std::string_view subject);

 private:
  const visitor& who_;
  std::size_t count_ = 0;
  std::optional<error> first_;
  std::string subject_;
};

/// A log line about what somebody has done that takes the right to operate.
void note_operation(const visitor& who, std::string_view subject, std::string_view outcome);

}  // namespace amc::api
