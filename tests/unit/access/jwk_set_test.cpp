#include "access/jwk_set.hpp"

#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/base64.hpp"
#include "tests/support/jwt_signer.hpp"

namespace amc::access {
namespace {

using testing::HasSubstr;
using tests::jwt_signer;

bool takes(const std::string& keys, const std::string& token) {
  const auto set = jwk_set::parse(keys, "keys.json");
  const auto parsed = parse_jwt(token);
  if (!parsed) return false;
  const auto* key = set.find(*parsed);
  return key && key->has_signed(*parsed);
}

std::string complaint_about(const std::string& keys) {
  try {
    jwk_set::parse(keys, "keys.json");
    return "";
  } catch (const config_error& wrong) {
    return wrong.what();
  }
}

TEST(JwkSet, VerifiesWhatItsKeysHaveSigned) {
  for (const auto& signer : {jwt_signer::rsa(), jwt_signer::p256(), jwt_signer::ed25519()}) {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(takes(signer.set(), signer.sign("{}"))) << signer.header();
    auto token = signer.sign("{}");
    token[token.find('.') + 1] ^= 1;
    EXPECT_FALSE(takes(signer.set(), token)) << "other claims: " << signer.header();
    token = signer.sign("{}");
    EXPECT_FALSE(takes(signer.set(), token.substr(0, token.size() - 4))) << "truncated: " << signer.header();
  }
}

TEST(JwkSet, AnotherKeyOfTheSameIdIsAnotherKey) {
  EXPECT_FALSE(takes(jwt_signer::p256().set(), jwt_signer::p256().sign("{}")));
  EXPECT_FALSE(takes(jwt_signer::ed25519().set(), jwt_signer::ed25519().sign("{}")));
}

TEST(JwkSet, TheKeyDecidesTheAlgorithm) {
  const auto rsa = jwt_signer::rsa("k"), p256 = jwt_signer::p256("k");
  EXPECT_FALSE(takes(rsa.set(), p256.sign("{}")));
  EXPECT_FALSE(takes(p256.set(), p256.sign("{}", R"({"alg":"EdDSA","kid":"k"})")));
  EXPECT_FALSE(takes(rsa.set(), rsa.sign("{}", R"({"alg":"ES256","kid":"k"})")));
}

TEST(JwkSet, APublicKeyIsNoSecretOfAnHmac) {
  const auto rsa = jwt_signer::rsa("k");
  const auto secret = rsa.pem();
  for (const auto* algorithm : {"HS256", "RS256"}) {
    const auto text = to_base64url(R"({"kid":"k","alg":")" + std::string(algorithm) + "\"}") + "." + to_base64url("{}");
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
    EXPECT_FALSE(takes(rsa.set(), text + "." + to_base64url({reinterpret_cast<const char*>(mac), size})));
  }
}

TEST(JwkSet, Es256IsTwoNumbersAndNoDer) {
  const auto signer = jwt_signer::p256();
  EXPECT_FALSE(takes(signer.set(), signer.sign_in_der("{}")));
  const auto token = signer.sign("{}");
  const auto text = token.substr(0, token.rfind('.') + 1);
  EXPECT_FALSE(takes(signer.set(), text + to_base64url(std::string(64, '\0')))) << "numbers that sign everything";
}

TEST(JwkSet, ATokenNamesItsKey) {
  const auto one = jwt_signer::p256("1"), two = jwt_signer::p256("2");
  const auto both = R"({"keys":[)" + one.jwk() + "," + two.jwk() + "]}";
  EXPECT_TRUE(takes(both, one.sign("{}")));
  EXPECT_TRUE(takes(both, two.sign("{}")));
  EXPECT_FALSE(takes(both, one.sign("{}", R"({"alg":"ES256","kid":"2"})")));
  EXPECT_FALSE(takes(both, one.sign("{}", R"({"alg":"ES256","kid":"3"})")));
  EXPECT_FALSE(takes(both, one.sign("{}", R"({"alg":"ES256"})"))) << "which?";
  EXPECT_TRUE(takes(one.set(), one.sign("{}", R"({"alg":"ES256"})"))) << "the only one";
}

TEST(JwkSet, KeysForSomethingElseAreLeftOut) {
  for (const auto* other :
       {R"({"kty":"EC","crv":"P-384","x":"AA","y":"AA"})", R"({"kty":"RSA","use":"enc","n":"AA","e":"AQAB"})",
        R"({"kty":"RSA","alg":"RS512","n":"AA","e":"AQAB"})", R"({"kty":"OKP","crv":"X25519","x":"AA"})",
        R"({"kty":"new"})", R"({"kty":"RSA","key_ops":["encrypt"],"n":"AA","e":"AQAB"})"})
    EXPECT_EQ(jwk_set::parse(R"({"keys":[)" + std::string(other) + "]}", "").size(), 0U) << other;
  EXPECT_EQ(jwk_set::parse(R"({"keys":[],"more":1})", "").size(), 0U);
}

TEST(JwkSet, OneThatIsWrongIsRefusedWhole) {
  const auto good = jwt_signer::p256().jwk();
  for (const auto* broken :
       {"1", "{}", R"({"kty":"EC","crv":"P-256"})", R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})",
        R"({"kty":"OKP","crv":"Ed25519","x":"AA"})", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})", R"({"kty":1})",
        R"({"kty":"oct","k":"c2VjcmV0"})"})
    EXPECT_THAT(complaint_about(R"({"keys":[)" + good + "," + broken + "]}"), HasSubstr("keys.json: key 2 ")) << broken;
  EXPECT_THAT(complaint_about(R"({"keys":[)" + good + "," + good + "]}"), HasSubstr("kid"));
  const std::string x(32, '\1');
  EXPECT_NE(complaint_about(R"({"keys":[{"kty":"EC","crv":"P-256","x":")" + to_base64url(x) + R"(","y":")" +
                            to_base64url(x) + "\"}]}"),
            "")
      << "not on the curve";
  for (const auto* text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[]}x)"})
    EXPECT_THAT(complaint_about(text), HasSubstr("a set of keys is expected")) << text;
  EXPECT_THAT(complaint_about(jwt_signer::rsa("k", 1'024).set()), HasSubstr("1024 bits"));
  auto secret = good;
  secret.insert(secret.size() - 1, R"(,"d":"AA")");
  EXPECT_THAT(complaint_about(R"({"keys":[)" + secret + "]}"), HasSubstr("is secret"));
}

}  // namespace
}  // namespace amc::access
