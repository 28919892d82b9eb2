#include "access/jwk_set.hpp"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include <algorithm>
#include <boost/json/parse.hpp>

#include "access/token_file.hpp"
#include "core/base64.hpp"
#include "core/config.hpp"
#include "core/config_files.hpp"

namespace amc::access {
namespace {

namespace json = boost::json;

constexpr int rsa_bits_min = 2'048, rsa_bits_max = 8'192;
constexpr std::size_t p256_bytes = 32, ed25519_bytes = 32, keys_max = 100;

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* what) const {
    Free(what);
  }
};
template <class T, auto Free>
using owned = std::unique_ptr<T, freed_by<Free>>;
using owned_key = owned<EVP_PKEY, EVP_PKEY_free>;
using owned_number = owned<BIGNUM, BN_free>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

owned_number number_of(std::string_view bytes) {
  return owned_number(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

/// Null where they are no public key.
owned_key key_of(const char* type, OSSL_PARAM_BLD* building) {
  const owned<OSSL_PARAM, OSSL_PARAM_free> parameters(OSSL_PARAM_BLD_to_param(building));
  const owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
    return {};
  owned_key made(key);
  const owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> checking(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  return checking && EVP_PKEY_public_check(checking.get()) == 1 ? std::move(made) : owned_key();
}

/// One entry of a set.
class entry {
 public:
  entry(const json::object& object, std::string where) : object_(object), where_(std::move(where)) {}

  /// Nothing for a key that is meant for something else.
  std::optional<jwk> read() const {
    if (object_.contains("d") || object_.contains("k"))
      refuse(
          "is secret (\"d\" or \"k\"); whoever verifies needs the public part alone, and whoever reads this file "
          "can sign tokens by now: make another key");
    const auto algorithm = algorithm_of();
    if (!algorithm || !is_for_signatures(*algorithm)) return {};
    auto key = make(*algorithm);
    if (!key) refuse("is no public key for " + std::string(to_string(*algorithm)));
    if (*algorithm == jwt_algorithm::rs256 && !has_length(*key))
      refuse("has " + std::to_string(EVP_PKEY_get_bits(key.get())) + " bits, and RS256 takes " +
             std::to_string(rsa_bits_min) + " to " + std::to_string(rsa_bits_max));
    return jwk{text("kid"), fingerprint_of(*key), *algorithm, {key.release(), EVP_PKEY_free}};
  }

  [[noreturn]] void refuse(const std::string& what) const { throw config_error(where_ + " " + what); }

 private:
  /// Empty where there is none.
  std::string text(std::string_view name) const {
    const auto* value = object_.if_contains(name);
    if (!value) return {};
    if (!value->is_string()) refuse("has a \"" + std::string(name) + "\" that is no text");
    return std::string(value->get_string());
  }

  std::string bytes(std::string_view name) const {
    const auto decoded = from_base64url(text(name));
    if (!decoded || decoded->empty()) refuse("has no \"" + std::string(name) + "\" in base64url");
    return *decoded;
  }

  std::optional<jwt_algorithm> algorithm_of() const {
    const auto type = text("kty");
    if (type.empty()) refuse("has no \"kty\"");
    if (type == "RSA") return jwt_algorithm::rs256;
    if (type == "EC" && text("crv") == "P-256") return jwt_algorithm::es256;
    if (type == "OKP" && text("crv") == "Ed25519") return jwt_algorithm::eddsa;
    return {};
  }

  bool is_for_signatures(jwt_algorithm algorithm) const {
    const auto use = text("use"), told = text("alg");
    if ((!use.empty() && use != "sig") || (!told.empty() && told != to_string(algorithm))) return false;
    const auto* operations = object_.if_contains("key_ops");
    if (!operations || !operations->is_array()) return true;
    const auto& all = operations->get_array();
    return std::any_of(all.begin(), all.end(),
                       [](const json::value& one) { return one.is_string() && one.get_string() == "verify"; });
  }

  owned_key make(jwt_algorithm algorithm) const {
    switch (algorithm) {
      case jwt_algorithm::rs256:
        return make_rsa();
      case jwt_algorithm::es256:
        return make_p256();
      case jwt_algorithm::eddsa:
        break;
    }
    const auto x = bytes("x");
    return x.size() == ed25519_bytes
               ? owned_key(EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr, bytes_of(x), x.size()))
               : owned_key();
  }

  owned_key make_rsa() const {
    const auto n = bytes("n"), e = bytes("e");
    if (n.size() > rsa_bits_max / 8 || e.size() > 8) return {};
    const auto modulus = number_of(n), exponent = number_of(e);
    const owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> building(OSSL_PARAM_BLD_new());
    if (!modulus || !exponent || !building || !BN_is_odd(exponent.get()) || BN_is_one(exponent.get())) return {};
    OSSL_PARAM_BLD_push_BN(building.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
    OSSL_PARAM_BLD_push_BN(building.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
    return key_of("RSA", building.get());
  }

  owned_key make_p256() const {
    const auto x = bytes("x"), y = bytes("y");
    if (x.size() != p256_bytes || y.size() != p256_bytes) return {};
    const auto point = "\x04" + x + y;
    const owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> building(OSSL_PARAM_BLD_new());
    if (!building) return {};
    OSSL_PARAM_BLD_push_utf8_string(building.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_octet_string(building.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
    return key_of("EC", building.get());
  }

  static bool has_length(const EVP_PKEY& key) {
    const int bits = EVP_PKEY_get_bits(&key);
    return bits >= rsa_bits_min && bits <= rsa_bits_max;
  }

  static std::string fingerprint_of(const EVP_PKEY& key) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(&key, &der);
    if (size <= 0) throw std::bad_alloc();
    const owned<unsigned char, [](unsigned char* bytes) { OPENSSL_free(bytes); }> freed(der);
    return digest_of({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
  }

  const json::object& object_;
  std::string where_;
};

/// As OpenSSL takes it; a token has the two numbers one behind the other (RFC 7518, section 3.4), and in no other form.
std::optional<std::string> in_der(std::string_view signature) {
  if (signature.size() != 2 * p256_bytes) return {};
  const owned<ECDSA_SIG, ECDSA_SIG_free> numbers(ECDSA_SIG_new());
  auto r = number_of(signature.substr(0, p256_bytes)), s = number_of(signature.substr(p256_bytes));
  if (!numbers || !r || !s || ECDSA_SIG_set0(numbers.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release()), static_cast<void>(s.release());
  std::string der(static_cast<std::size_t>(std::max(i2d_ECDSA_SIG(numbers.get(), nullptr), 0)), '\0');
  auto* to = reinterpret_cast<unsigned char*>(der.data());
  i2d_ECDSA_SIG(numbers.get(), &to);
  return der;
}

}  // namespace

bool jwk::has_signed(const jwt& token) const {
  if (token.algorithm != algorithm) return false;
  const auto signature = algorithm == jwt_algorithm::es256 ? in_der(token.signature) : std::optional(token.signature);
  const owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  if (!signature || !context) return false;
  const auto* digest = algorithm == jwt_algorithm::eddsa ? nullptr : EVP_sha256();
  const bool is_right = EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key.get()) == 1 &&
                        EVP_DigestVerify(context.get(), bytes_of(*signature), signature->size(),
                                         bytes_of(token.signed_text), token.signed_text.size()) == 1;
  ERR_clear_error();
  return is_right;
}

jwk_set jwk_set::parse(std::string_view text, const std::string& origin) {
  boost::system::error_code failed;
  const auto root = json::parse(text, failed);
  const auto* keys = !failed && root.is_object() ? root.get_object().if_contains("keys") : nullptr;
  if (!keys || !keys->is_array()) throw config_error(origin + ": a set of keys is expected: {\"keys\": [...]}");
  if (keys->get_array().size() > keys_max)
    throw config_error(origin + ": more than " + std::to_string(keys_max) + " keys");
  jwk_set set;
  std::size_t number = 0;
  for (const auto& item : keys->get_array()) {
    const auto where = origin + ": key " + std::to_string(++number);
    if (!item.is_object()) throw config_error(where + " is no object");
    const entry one(item.get_object(), where);
    auto key = one.read();
    ERR_clear_error();
    if (!key) continue;
    for (const auto& other : set.all_)
      if (other.id == key->id) one.refuse("has the \"kid\" of one before it");
    set.all_.push_back(*std::move(key));
  }
  return set;
}

const jwk* jwk_set::find(const jwt& token) const {
  if (!token.key_id) return all_.size() == 1 ? &all_.front() : nullptr;
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const jwk& key) { return key.id == *token.key_id; });
  return found == all_.end() || found->id.empty() ? nullptr : &*found;
}

bool jwk_set::has(std::string_view fingerprint) const {
  return std::any_of(all_.begin(), all_.end(), [&](const jwk& key) { return key.fingerprint == fingerprint; });
}

jwk_set read_jwk_file(const std::string& file) {
  constexpr const char* key = "broker.access.jwt.keys_file";
  return jwk_set::parse(read_config_file(file, key), file + ": " + key);
}

}  // namespace amc::access
