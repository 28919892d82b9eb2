#pragma once

#include <memory>
#include <string>

struct evp_pkey_st;

namespace amc::tests {

/// An issuer of JWTs with one key, made for this run.
class jwt_signer {
 public:
  static jwt_signer rsa(const std::string& key_id = "rsa", unsigned bits = 2'048);
  static jwt_signer p256(const std::string& key_id = "p256");
  static jwt_signer ed25519(const std::string& key_id = "ed25519");

  /// The public key, as an entry of a set.
  std::string jwk() const;
  /// {"keys": [...]}
  std::string set() const { return R"({"keys":[)" + jwk() + "]}"; }
  std::string header() const { return R"({"alg":")" + algorithm_ + R"(","kid":")" + key_id_ + "\"}"; }
  /// Whatever the header says, by its own algorithm.
  std::string sign(const std::string& claims, const std::string& header) const;
  std::string sign(const std::string& claims) const { return sign(claims, header()); }
  /// The public key in PEM.
  std::string pem() const;
  /// ES256 as OpenSSL has it, which is not how a JWT has it.
  std::string sign_in_der(const std::string& claims) const;

 private:
  jwt_signer(std::string algorithm, std::string key_id, evp_pkey_st* key);
  std::string signature_of(const std::string& text) const;

  std::string algorithm_, key_id_;
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace amc::tests
