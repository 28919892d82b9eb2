#pragma once

#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/one_line_a_second.hpp"
#include "http/message.hpp"

namespace amc::access {

/// What a request says in `Authorization`.
struct authorization {
  enum class form {
    none,     ///< there is no such field
    several,  ///< which of them is meant?
    other,    ///< no "Bearer TOKEN" (RFC 6750)
    token,
  };
  form what = form::none;
  std::string token{};
};

authorization authorization_of(const http::request& asked);

/// The answers to those who say nothing of who they are, or nothing that is believed; and the lines of the log about
/// them, one a second. No line has a token. For one thread.
class refused_credentials {
 public:
  explicit refused_credentials(const environment& env) : lines_(env, "access") {}

  error none(const http::peer& from);
  /// For a certificate that has no name which an entry has.
  error unnamed(const http::peer& from);
  /// `why` is for the log: whoever guesses learns nothing from the answer.
  error wrong(const http::peer& from, const std::string& why);
  /// For a token whose signature is right: whoever has it did not guess.
  error unfit(const http::peer& from, const std::string& why);

 private:
  void note(const http::peer& from, const std::string& why);

  one_line_a_second lines_;
};

}  // namespace amc::access
