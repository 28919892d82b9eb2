#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/access.hpp"
#include "core/error.hpp"

/// JSON Web Tokens (RFC 7519) in their compact form with a signature: HEADER.CLAIMS.SIGNATURE, each in base64url. What
/// is read here is what strangers send; nothing here keeps or asks anything. A refusal says what is wrong, for a log.
namespace amc::access {

enum class jwt_algorithm { rs256, es256, eddsa };

/// "RS256", "ES256", "EdDSA".
const char* to_string(jwt_algorithm value);

/// A token taken apart: nothing in it is to be believed yet, and its claims have not been looked at.
struct jwt {
  jwt_algorithm algorithm{};
  std::optional<std::string> key_id{};
  std::string signed_text{};  ///< what the signature is of: HEADER.CLAIMS
  std::string claims{};       ///< JSON, if the signature is right
  std::string signature{};
};

/// Whether a token has the form of a JWT, and so is none of the file of tokens: two dots.
bool has_jwt_form(std::string_view token);

/// Errors: unidentified, for a header that is not one with one of three algorithms, that brings a key along or says
/// where to get one (`jwk`, `jku`, `x5c`, `x5u`), or that has something in it which is to be understood (`crit`).
result<jwt> parse_jwt(std::string_view token);

/// What the claims of a token must be.
struct jwt_rules {
  std::string issuer{};        ///< equal to `iss`
  std::string audience{};      ///< equal to `aud`, or to one of its items
  std::string rights_claim{};  ///< has the rights: a list of texts like "send:orders"
  milliseconds skew{};         ///< by how much the clocks may differ
};

/// What the claims of a token say, once they are to be believed.
struct jwt_claims {
  principal who{};        ///< without a credential
  std::string subject{};  ///< `sub`
  std::string id{};       ///< `jti`; empty where there is none
};

/// Errors: unidentified, where a claim is missing or not as the rules have it.
result<jwt_claims> read_claims(std::string_view json, const jwt_rules& rules, timestamp now);

}  // namespace amc::access
