#include "access/jwt.hpp"

#include <gmock/gmock.h>

#include "core/base64.hpp"

/// What a token says, before anybody believes it and after.
namespace amc::access {
namespace {

using testing::HasSubstr;

std::string token_with(const std::string& header) {
  return to_base64url(header) + "." + to_base64url("{}") + "." + to_base64url("signature");
}

std::string refusal_of(const std::string& token) {
  const auto parsed = parse_jwt(token);
  return parsed ? "" : parsed.error().detail;
}

TEST(Jwt, IsTakenApart) {
  const auto parsed = parse_jwt(token_with(R"({"typ":"JWT","alg":"ES256","kid":"k","more":1})"));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->algorithm, jwt_algorithm::es256);
  EXPECT_EQ(parsed->key_id, "k");
  EXPECT_EQ(parsed->claims, "{}");
  EXPECT_EQ(parsed->signature, "signature");
  EXPECT_EQ(parsed->signed_text,
            to_base64url(R"({"typ":"JWT","alg":"ES256","kid":"k","more":1})") + "." + to_base64url("{}"));
}

TEST(Jwt, HasOneOfThreeAlgorithms) {
  for (const auto* algorithm : {"none", "None", "HS256", "HS512", "RS512", "PS256", "ES384", "es256", ""})
    EXPECT_THAT(refusal_of(token_with(R"({"alg":")" + std::string(algorithm) + "\"}")), HasSubstr("alg")) << algorithm;
  for (const auto* header : {"{}", R"({"alg":null})", R"({"alg":["RS256"]})"})
    EXPECT_THAT(refusal_of(token_with(header)), HasSubstr("alg")) << header;
}

TEST(Jwt, BringsNoKeyAndNothingThatIsToBeUnderstood) {
  for (const auto* more :
       {R"("jku":"https://evil.example")", R"("jwk":{})", R"("x5u":"https://evil.example")", R"("x5c":[])",
        R"("crit":["exp"])", R"("crit":[])", R"("kid":1)", R"("typ":"dpop+jwt")", R"("typ":1)"})
    EXPECT_NE(refusal_of(token_with(R"({"alg":"RS256",)" + std::string(more) + "}")), "") << more;
  for (const auto* type : {"JWT", "jwt", "at+jwt", "application/at+jwt"})
    EXPECT_EQ(refusal_of(token_with(R"({"alg":"RS256","typ":")" + std::string(type) + "\"}")), "") << type;
}

TEST(Jwt, IsThreePartsOfBase64Url) {
  const auto whole = token_with(R"({"alg":"RS256"})");
  for (const auto& token :
       {std::string(), std::string(".."), whole.substr(0, whole.rfind('.')), whole.substr(0, whole.rfind('.') + 1),
        whole + ".", "." + whole, whole + "=", whole + "==", whole + "+", whole + "/", whole + "A", whole + "\n",
        whole.substr(1), token_with(""), token_with("[]"), token_with("{"), token_with("{}{}")})
    EXPECT_NE(refusal_of(token), "") << token;
}

class JwtClaims : public testing::Test {
 protected:
  static constexpr std::int64_t now_s = 1'800'000'000;
  static result<jwt_claims> read(const std::string& claims) {
    const jwt_rules rules{"https://idp.example", "amc", "amc", milliseconds(10'000)};
    return read_claims(claims, rules, timestamp(std::chrono::seconds(now_s)));
  }
  /// Good claims, with one of them another one.
  static std::string with(const std::string& name, const std::string& value) {
    std::string text = "{";
    const std::pair<std::string, std::string> good[] = {{"iss", "\"https://idp.example\""},
                                                        {"aud", "\"amc\""},
                                                        {"sub", "\"billing\""},
                                                        {"exp", after(60)},
                                                        {"jti", "\"1\""},
                                                        {"amc", "[]"},
                                                        {"nbf", after(0)},
                                                        {"iat", after(0)}};
    for (const auto& [key, own] : good) {
      const auto& written = key == name ? value : own;
      if (!written.empty()) text += (text == "{" ? "\"" : ",\"") + key + "\":" + written;
    }
    return text + "}";
  }
  static std::string after(std::int64_t seconds) { return std::to_string(now_s + seconds); }
  static bool takes(const std::string& name, const std::string& value) { return read(with(name, value)).has_value(); }
};

TEST_F(JwtClaims, SayWhoItIsAndWhatItMay) {
  const auto claims = read(with("amc", R"(["send:orders","read:team-*"])"));
  ASSERT_TRUE(claims) << claims.error().detail;
  EXPECT_EQ(claims->subject, "billing");
  EXPECT_EQ(claims->who.name, "billing@https:%2F%2Fidp.example");
  EXPECT_EQ(claims->who.kind, credential_kind::jwt);
  EXPECT_EQ(claims->id, "1");
  EXPECT_TRUE(claims->who.may(right::send, "orders"));
  EXPECT_TRUE(claims->who.may(right::read, "team-a"));
  EXPECT_FALSE(claims->who.may(right::serve, "orders"));
  EXPECT_EQ(claims->who.expires_at, timestamp(std::chrono::seconds(now_s + 70))) << "with the skew";
}

TEST_F(JwtClaims, NobodyPassesForSomebodyWhomTheBrokersFileNames) {
  const auto claims = read(with("sub", "\"admin\""));
  ASSERT_TRUE(claims);
  EXPECT_FALSE(principal::is_name(claims->who.name));
  EXPECT_FALSE(is_holder("admin", holder_of(std::make_shared<principal>(claims->who), "worker")));
  EXPECT_NE(name_by_issuer("a", "b/c"), name_by_issuer("a", "b%2Fc"));
  EXPECT_EQ(name_by_issuer("a", "b/c").find('/'), std::string::npos);
}

TEST_F(JwtClaims, AreOfTheIssuerAndForThisAudience) {
  for (const auto* wrong :
       {"", "null", "\"\"", "\"https://idp.example/\"", "\"HTTPS://idp.example\"", "[\"https://idp.example\"]"})
    EXPECT_FALSE(takes("iss", wrong)) << wrong;
  for (const auto* wrong : {"", "null", "\"\"", "\"amc2\"", "[]", R"(["other"])", "[1]", R"({"amc":1})"})
    EXPECT_FALSE(takes("aud", wrong)) << wrong;
  EXPECT_TRUE(takes("aud", R"(["other","amc"])"));
}

TEST_F(JwtClaims, ASubjectIsAName) {
  for (const auto* wrong :
       {"", "null", "\"\"", "1", "\"a b\"", "\"a/b\"", "\"a@b\"", "\"a\\n\"", "\"\\u0000\"", "\"é\""})
    EXPECT_FALSE(takes("sub", wrong)) << wrong;
  EXPECT_FALSE(takes("sub", "\"" + std::string(101, 'x') + "\""));
  EXPECT_TRUE(takes("sub", "\"" + std::string(100, 'x') + "\""));
}

TEST_F(JwtClaims, LastUntilTheyExpireAndNotBeforeTheyBegin) {
  for (const auto& wrong : {std::string(), std::string("null"), std::string("\"soon\""), std::string("-1"),
                            std::string("1e300"), std::string("253402300800"), after(-10)})
    EXPECT_FALSE(takes("exp", wrong)) << wrong;
  EXPECT_TRUE(takes("exp", after(-9)));
  EXPECT_TRUE(takes("exp", after(1) + ".5"));
  for (const auto* name : {"nbf", "iat"}) {
    EXPECT_TRUE(takes(name, "")) << name;
    EXPECT_TRUE(takes(name, after(10))) << name;
    EXPECT_FALSE(takes(name, after(11))) << name;
    EXPECT_FALSE(takes(name, "\"x\"")) << name;
  }
}

TEST_F(JwtClaims, RightsAreAListOfRights) {
  for (const auto* wrong :
       {"null", "\"send:orders\"", "{}", "[1]", R"(["sends:orders"])", R"(["send:orders","x"])", R"([""])"})
    EXPECT_FALSE(takes("amc", wrong)) << wrong;
  const auto none = read(with("amc", ""));
  ASSERT_TRUE(none);
  for (const auto right : all_rights) EXPECT_FALSE(none->who.may_somewhere(right));
}

TEST_F(JwtClaims, AreAnObject) {
  for (const auto* wrong : {"", "[]", "null", "{", "{}x", "\"\""}) EXPECT_FALSE(read(wrong)) << wrong;
  EXPECT_FALSE(takes("jti", "1"));
}

}  // namespace
}  // namespace amc::access
