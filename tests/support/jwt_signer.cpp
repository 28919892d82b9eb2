#include "tests/support/jwt_signer.hpp"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <stdexcept>

#include "core/base64.hpp"

namespace amc::tests {
namespace {

void check(bool done) {
  if (!done) throw std::runtime_error("OpenSSL makes no JWT");
}

std::string number(const EVP_PKEY& key, const char* name, int bytes = 0) {
  BIGNUM* value = nullptr;
  check(EVP_PKEY_get_bn_param(&key, name, &value) == 1);
  std::string text(static_cast<std::size_t>(bytes > 0 ? bytes : BN_num_bytes(value)), '\0');
  BN_bn2binpad(value, reinterpret_cast<unsigned char*>(text.data()), static_cast<int>(text.size()));
  BN_free(value);
  return to_base64url(text);
}

constexpr int p256_bytes = 32;

/// The two numbers of a signature, one behind the other.
std::string plain(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  auto* numbers = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  std::string text(2 * p256_bytes, '\0');
  auto* to = reinterpret_cast<unsigned char*>(text.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(numbers), to, p256_bytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(numbers), to + p256_bytes, p256_bytes);
  ECDSA_SIG_free(numbers);
  return text;
}

}  // namespace

jwt_signer::jwt_signer(std::string algorithm, std::string key_id, evp_pkey_st* key)
    : algorithm_(std::move(algorithm)), key_id_(std::move(key_id)), key_(key, EVP_PKEY_free) {
  check(key);
}

jwt_signer jwt_signer::rsa(const std::string& key_id, unsigned bits) {
  return {"RS256", key_id, EVP_RSA_gen(bits)};
}

jwt_signer jwt_signer::p256(const std::string& key_id) {
  return {"ES256", key_id, EVP_EC_gen("P-256")};
}

jwt_signer jwt_signer::ed25519(const std::string& key_id) {
  return {"EdDSA", key_id, EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
}

std::string jwt_signer::jwk() const {
  const auto begin = R"({"kid":")" + key_id_ + R"(","use":"sig",)";
  if (algorithm_ == "RS256")
    return begin + R"("kty":"RSA","n":")" + number(*key_, OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
           number(*key_, OSSL_PKEY_PARAM_RSA_E) + "\"}";
  if (algorithm_ == "ES256")
    return begin + R"("kty":"EC","crv":"P-256","x":")" + number(*key_, OSSL_PKEY_PARAM_EC_PUB_X, p256_bytes) +
           R"(","y":")" + number(*key_, OSSL_PKEY_PARAM_EC_PUB_Y, p256_bytes) + "\"}";
  std::string x(32, '\0');
  std::size_t size = x.size();
  check(EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(x.data()), &size) == 1);
  return begin + R"("kty":"OKP","crv":"Ed25519","x":")" + to_base64url(x) + "\"}";
}

std::string jwt_signer::signature_of(const std::string& text) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const auto* digest = algorithm_ == "EdDSA" ? nullptr : EVP_sha256();
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  check(EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
        EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) == 1);
  std::string signature(size, '\0');
  check(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes, text.size()) ==
        1);
  signature.resize(size);
  return signature;
}

std::string jwt_signer::sign(const std::string& claims, const std::string& header) const {
  const auto text = to_base64url(header) + "." + to_base64url(claims);
  const auto signature = signature_of(text);
  return text + "." + to_base64url(algorithm_ == "ES256" ? plain(signature) : signature);
}

std::string jwt_signer::sign_in_der(const std::string& claims) const {
  const auto text = to_base64url(header()) + "." + to_base64url(claims);
  return text + "." + to_base64url(signature_of(text));
}

std::string jwt_signer::pem() const {
  auto* memory = BIO_new(BIO_s_mem());
  check(memory && PEM_write_bio_PUBKEY(memory, key_.get()) == 1);
  std::string text(BIO_ctrl_pending(memory), '\0');
  BIO_read(memory, text.data(), static_cast<int>(text.size()));
  BIO_free(memory);
  return text;
}

}  // namespace amc::tests
