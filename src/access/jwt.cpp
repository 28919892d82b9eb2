#include "access/jwt.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>

#include "access/token_file.hpp"
#include "core/base64.hpp"
#include "http/message.hpp"

namespace amc::access {
namespace {

namespace json = boost::json;

error refusal(std::string why) {
  return {errc::unidentified, std::move(why)};
}

/// Nothing for what is no object.
std::optional<json::object> object_in(std::string_view text) {
  boost::system::error_code failed;
  auto value = json::parse(text, failed);
  if (failed || !value.is_object()) return {};
  return std::move(value.get_object());
}

/// Nothing where there is none, or it is no text.
std::optional<std::string> text_in(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value && value->is_string() ? std::optional(std::string(value->get_string())) : std::nullopt;
}

std::optional<jwt_algorithm> parse_algorithm(std::string_view text) {
  for (const auto algorithm : {jwt_algorithm::rs256, jwt_algorithm::es256, jwt_algorithm::eddsa})
    if (text == to_string(algorithm)) return algorithm;
  return {};
}

/// RFC 8725, section 3.11: a token that was made for something else says so in its type.
bool is_access_token(const json::object& header) {
  const auto* type = header.if_contains("typ");
  if (!type) return true;
  if (!type->is_string()) return false;
  std::string_view text = type->get_string();
  constexpr std::string_view prefix = "application/";
  if (http::same_ignoring_case(text.substr(0, prefix.size()), prefix)) text.remove_prefix(prefix.size());
  return http::same_ignoring_case(text, "JWT") || http::same_ignoring_case(text, "at+jwt");
}

std::optional<error> read_header(std::string_view text, jwt& to) {
  const auto header = object_in(text);
  if (!header) return refusal("a JWT whose header is no JSON object");
  for (const auto* name : {"jku", "jwk", "x5u", "x5c", "crit"})
    if (header->contains(name)) return refusal("a JWT with \"" + std::string(name) + "\" in its header");
  if (!is_access_token(*header)) return refusal("a JWT whose \"typ\" is neither JWT nor at+jwt");
  const auto algorithm = text_in(*header, "alg");
  const auto known = algorithm ? parse_algorithm(*algorithm) : std::nullopt;
  if (!known) return refusal("a JWT whose \"alg\" is none of RS256, ES256, EdDSA");
  to.algorithm = *known;
  to.key_id = text_in(*header, "kid");
  if (header->contains("kid") && !to.key_id) return refusal("a JWT whose \"kid\" is no text");
  return {};
}

/// Nothing for what is no number of seconds in the years 1970 to 9999.
std::optional<timestamp> time_of(const json::value& value) {
  constexpr double seconds_max = 253'402'300'799;
  if (!value.is_number()) return {};
  const auto seconds = value.to_number<double>();
  if (!(seconds >= 0 && seconds <= seconds_max)) return {};
  return timestamp(milliseconds(static_cast<std::int64_t>(seconds * 1'000)));
}

bool is_for(const json::object& claims, std::string_view audience) {
  const auto* value = claims.if_contains("aud");
  const auto is_it = [&](const json::value& one) { return one.is_string() && one.get_string() == audience; };
  if (!value || !value->is_array()) return value && is_it(*value);
  const auto& all = value->get_array();
  return std::any_of(all.begin(), all.end(), is_it);
}

std::optional<error> refused_by_time(const json::object& claims, const jwt_rules& rules, timestamp now, principal& to) {
  const auto* expires = claims.if_contains("exp");
  const auto end = expires ? time_of(*expires) : std::nullopt;
  if (!end) return refusal("a JWT without \"exp\", or with one that is no time");
  to.expires_at = *end + rules.skew;
  if (*to.expires_at <= now) return refusal("an expired JWT of " + to.name);
  for (const auto* name : {"nbf", "iat"}) {
    const auto* value = claims.if_contains(name);
    if (!value) continue;
    const auto begin = time_of(*value);
    if (!begin) return refusal("a JWT whose \"" + std::string(name) + "\" is no time");
    if (*begin - rules.skew > now)
      return refusal("a JWT of " + to.name + " whose \"" + name + "\" is in the future (broker.access.jwt.skew_ms)");
  }
  return {};
}

/// Without the claim it has none.
std::optional<error> read_rights(const json::object& claims, const std::string& name, principal& to) {
  const auto* value = claims.if_contains(name);
  if (!value) return {};
  const auto wrong = [&](const std::string& what) {
    return refusal("a JWT of " + to.name + " whose \"" + name + "\" (broker.access.jwt.rights_claim) " + what);
  };
  if (!value->is_array()) return wrong("is no list of texts");
  for (const auto& item : value->get_array()) {
    if (!item.is_string()) return wrong("is no list of texts");
    if (const auto why = add_right(to, std::string_view(item.get_string())); !why.empty())
      return wrong("is wrong: " + why);
  }
  return {};
}

}  // namespace

const char* to_string(jwt_algorithm value) {
  switch (value) {
    case jwt_algorithm::rs256:
      return "RS256";
    case jwt_algorithm::es256:
      return "ES256";
    case jwt_algorithm::eddsa:
      break;
  }
  return "EdDSA";
}

bool has_jwt_form(std::string_view token) {
  return std::count(token.begin(), token.end(), '.') == 2;
}

result<jwt> parse_jwt(std::string_view token) {
  if (!has_jwt_form(token)) return refusal("a JWT without three parts");
  const auto first = token.find('.'), second = token.rfind('.');
  const auto header = from_base64url(token.substr(0, first));
  auto claims = from_base64url(token.substr(first + 1, second - first - 1));
  auto signature = from_base64url(token.substr(second + 1));
  if (!header || !claims || !signature) return refusal("a JWT with a part that is no base64url");
  if (signature->empty()) return refusal("a JWT without a signature");
  jwt parsed;
  if (auto refused = read_header(*header, parsed)) return *std::move(refused);
  parsed.signed_text = token.substr(0, second);
  parsed.claims = *std::move(claims);
  parsed.signature = *std::move(signature);
  return parsed;
}

result<jwt_claims> read_claims(std::string_view json, const jwt_rules& rules, timestamp now) {
  const auto claims = object_in(json);
  if (!claims) return refusal("a JWT whose claims are no JSON object");
  if (text_in(*claims, "iss") != rules.issuer) return refusal("a JWT whose \"iss\" is not broker.access.jwt.issuer");
  if (!is_for(*claims, rules.audience)) return refusal("a JWT whose \"aud\" has no broker.access.jwt.audience");
  const auto subject = text_in(*claims, "sub");
  if (!subject || !principal::is_name(*subject))
    return refusal("a JWT whose \"sub\" is not 1 to 100 characters of A-Z a-z 0-9 . _ -");
  jwt_claims read;
  read.subject = *subject;
  read.who.name = name_by_issuer(*subject, rules.issuer);
  read.who.kind = credential_kind::jwt;
  read.id = text_in(*claims, "jti").value_or("");
  if (claims->contains("jti") && read.id.empty())
    return refusal("a JWT of " + read.who.name + " whose \"jti\" is no text");
  if (auto refused = refused_by_time(*claims, rules, now, read.who)) return *std::move(refused);
  if (auto refused = read_rights(*claims, rules.rights_claim, read.who)) return *std::move(refused);
  return read;
}

}  // namespace amc::access
