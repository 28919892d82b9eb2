#include "access/jwk_set.hpp"
#include "access/jwt.hpp"
#include "core/base64.hpp"
#include "core/config.hpp"
#include "tests/fuzz/expect.hpp"

/// What strangers send in the place of a JWT, and what an issuer's server may answer. Of a token nothing is taken but
/// what its text says; no text is signed by a key that has signed nothing.
namespace amc::fuzz {
namespace {

using namespace access;

/// A real key; whoever had the other half has thrown it away.
constexpr const char* keys =
    R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";

void read_token(std::string_view text) {
  static const auto set = jwk_set::parse(keys, "keys");
  const auto token = parse_jwt(text);
  if (!token) return expect(!token.error().detail.empty(), "a refusal says why");
  expect(token->signed_text + "." + to_base64url(token->signature) == text, "one spelling for each token", text);
  const auto* key = set.find(*token);
  expect(!key || !key->has_signed(*token), "nobody signs without the key", text);
}

void read_claims_of(std::string_view text) {
  const jwt_rules rules{"i", "a", "amc", milliseconds(1'000)};
  const timestamp now{std::chrono::seconds(1'800'000'000)};
  const auto claims = read_claims(text, rules, now);
  if (!claims) return expect(!claims.error().detail.empty(), "a refusal says why");
  expect(principal::is_name(claims->subject), "a subject is a name", text);
  expect(claims->who.expires_at > now, "no token is taken that has expired", text);
}

void read_keys(std::string_view text) {
  try {
    jwk_set::parse(text, "keys");
  } catch (const config_error& why) {
    expect(std::string_view(why.what()).starts_with("keys: "), "a refusal names the place", why.what());
  }
}

}  // namespace
}  // namespace amc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = amc::fuzz::text_of(data, size);
  amc::fuzz::read_token(text);
  amc::fuzz::read_claims_of(text);
  amc::fuzz::read_keys(text);
  return 0;
}
