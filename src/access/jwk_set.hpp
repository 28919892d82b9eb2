#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access/jwt.hpp"

struct evp_pkey_st;

namespace amc::access {

/// A public key that signatures of JWTs are verified with. What it is decides the algorithm, never the token: RSA of
/// 2,048 to 8,192 bits is RS256, EC P-256 is ES256, Ed25519 is EdDSA.
struct jwk {
  std::string id{};           ///< `kid`; empty where it has none
  std::string fingerprint{};  ///< SHA-256 of the key itself: another key of the same id has another one
  jwt_algorithm algorithm{};
  std::shared_ptr<evp_pkey_st> key{};

  bool has_signed(const jwt& token) const;
};

/// The keys of an issuer (RFC 7517: JSON, {"keys": [...]}), as they were read once; never changed.
class jwk_set {
 public:
  /// Keys for other algorithms and uses are left out. Throws config_error that begins with `origin` for anything that
  /// is no set, for a key that is broken, for two of one id, for more than 100, and for one that is secret.
  static jwk_set parse(std::string_view json, const std::string& origin);

  /// The key that a token names; where it names none, the only one. Null: there is none.
  const jwk* find(const jwt& token) const;
  bool has(std::string_view fingerprint) const;
  std::size_t size() const { return all_.size(); }

 private:
  std::vector<jwk> all_;
};

/// The set in `broker.access.jwt.keys_file`. Throws config_error, also for a file that cannot be read, or is larger
/// than 1 MiB.
jwk_set read_jwk_file(const std::string& file);

}  // namespace amc::access
