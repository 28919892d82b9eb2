#include "access/configuration.hpp"

#include <boost/asio/io_context.hpp>

#include "access/either_identity.hpp"
#include "access/exposure.hpp"
#include "core/text.hpp"

namespace amc::access {
namespace {

bool takes_jwts(const config& settings) {
  return !settings.text("broker.access.jwt.keys_file").empty() || !settings.text("broker.access.jwt.keys_url").empty();
}

std::vector<config_key> jwt_keys() {
  const auto text = [](std::string name, std::string default_yaml, std::string help) {
    return config_key{.path = "broker.access.jwt." + name, .default_yaml = default_yaml, .help = help};
  };
  return {
      text("keys_file", "\"\"",
           "the public keys of the issuer of JSON Web Tokens, a JWKS; read again when it changes. Empty, as keys_url: "
           "no "
           "JWT is taken"),
      text("keys_url", "\"\"", "the https URL that has these keys, in the place of keys_file; no redirect is followed"),
      text("ca_file", "\"\"",
           "in PEM, the authorities whose certificates the server of keys_url may have; empty: those that the machine "
           "knows"),
      text("issuer", "\"\"", "what \"iss\" of a JWT must be; part of the name of each principal that it names"),
      text("audience", "\"\"", "what \"aud\" of a JWT must be, or have among its items"),
      text("rights_claim", "amc",
           "the claim of a JWT that has the rights: a list such as [\"send:orders\", \"read:team-*\"]"),
      text("denied_file", "\"\"",
           "the YAML map of JWTs that are refused, by lists of their \"jti\" and their \"sub\"; read again when it "
           "changes"),
      number_key("broker.access.jwt.skew_ms", "10000",
                 "by how much the clocks of issuer and broker may differ for \"exp\", \"nbf\" and \"iat\"", 0, 600'000),
      number_key("broker.access.jwt.token_max_bytes", "8192",
                 "a larger JWT is refused; broker.http.header_max_bytes bounds it too", 256, 1 << 20),
      number_key("broker.access.jwt.keys_timeout_ms", "5000", "for an answer of keys_url"),
      number_key("broker.access.jwt.keys_interval_ms", "300000",
                 "how often keys_url is asked again; for a key that is not known yet at most once a minute", 1'000),
      number_key("broker.access.jwt.keys_max_bytes", "1048576", "a larger answer of keys_url is not taken", 1'024,
                 16 << 20),
  };
}

/// Throws config_error where a key is missing that JWTs take.
jwt_rules rules_from(const config& settings) {
  constexpr std::size_t issuer_max_bytes = 200;
  jwt_rules rules;
  rules.issuer = settings.text("broker.access.jwt.issuer");
  rules.audience = settings.text("broker.access.jwt.audience");
  rules.rights_claim = settings.text("broker.access.jwt.rights_claim");
  rules.skew = settings.duration("broker.access.jwt.skew_ms");
  if (rules.issuer.empty() || rules.issuer.size() > issuer_max_bytes || has_control(rules.issuer))
    throw settings.complaint("broker.access.jwt.issuer",
                             "JWTs take an issuer, \"iss\" of each: 1 to 200 bytes on one line");
  if (rules.audience.empty())
    throw settings.complaint("broker.access.jwt.audience",
                             "JWTs take an audience, \"aud\" of each that is for this broker");
  return rules;
}

/// Throws config_error; where the keys are in a file, it is not read.
jwt_options jwt_options_from(const environment& env, const config& settings) {
  jwt_options options;
  options.rules = rules_from(settings);
  options.token_max_bytes = settings.size("broker.access.jwt.token_max_bytes");
  options.keys_file = settings.text("broker.access.jwt.keys_file");
  options.denied_file = settings.text("broker.access.jwt.denied_file");
  const auto url = settings.text("broker.access.jwt.keys_url");
  if (url.empty()) return options;
  const auto parsed = parse_https_url(url);
  if (!options.keys_file.empty())
    throw settings.complaint("broker.access.jwt.keys_url", "give it or broker.access.jwt.keys_file, and not both");
  if (!parsed)
    throw settings.complaint("broker.access.jwt.keys_url",
                             "is no URL like https://idp.example/keys, without credentials and fragment");
  options.keys = {.url = parsed->server + parsed->target,
                  .target = parsed->target,
                  .timeout = settings.duration("broker.access.jwt.keys_timeout_ms"),
                  .interval = settings.duration("broker.access.jwt.keys_interval_ms")};
  http::client_options client;
  client.url = parsed->server;
  client.ca_file = settings.text("broker.access.jwt.ca_file");
  client.answer_max_bytes = settings.size("broker.access.jwt.keys_max_bytes");
  client.keys = "broker.access.jwt";
  options.keys_server = http::make_client(env, std::move(client));
  return options;
}

/// Throws config_error for what a start would complain about.
void check_jwts(const config& settings) {
  boost::asio::io_context nothing_runs;
  const auto options = jwt_options_from(system_environment(nothing_runs.get_executor()), settings);
  if (!options.keys_file.empty()) read_jwk_file(options.keys_file);
  if (!options.denied_file.empty()) denied_list::read(options.denied_file);
}

}  // namespace

config_provider provider() {
  config_provider all{
      "access",
      {
          {.path = "broker.access.tokens_file",
           .default_yaml = "\"\"",
           .help =
               "the YAML list of tokens, as \"amc token new\" prints its entries; read again when it changes. Empty, "
               "without JWTs: nobody is asked for one"},
          {.path = "broker.access.open",
           .kind = config_key::type::boolean,
           .default_yaml = "false",
           .help = "whether a broker on an address that others reach may start without tokens_file: then everybody who "
                   "reaches it may do everything, and each start says so"},
          number_key("broker.access.quota.requests_per_s", "0",
                     "requests that one principal may make each second; more are answered 429. 0: any number. An entry "
                     "of tokens_file may have a quota of its own",
                     0, 1'000'000'000),
          number_key("broker.access.quota.bytes_per_s", "0",
                     "of its requests' bodies and their answers; who had more is answered 429 until that is made up "
                     "for. 0: any number",
                     0, std::int64_t{1} << 40),
          number_key(
              "broker.access.quota.refusal_delay_ms", "250",
              "how long the answer 429 to a request over one of these two is held back: who heeds no answer asks "
              "no more often than it is answered",
              0, 60'000),
          number_key("broker.access.quota.parked_max", "1000",
                     "requests of one principal that wait, for messages or for work; more are answered 429. 0: any "
                     "number",
                     0, 1'000'000),
          number_key("broker.access.quota.pending_max", "0",
                     "messages that one principal has posted and that are pending; more are answered 429. Counted at "
                     "most once a second. 0: any number",
                     0, 1'000'000'000),
      }};
  for (auto& key : jwt_keys()) all.keys.push_back(std::move(key));
  return all;
}

quota quota_from(const config& settings) {
  return {.requests_per_s = settings.size("broker.access.quota.requests_per_s"),
          .bytes_per_s = settings.size("broker.access.quota.bytes_per_s"),
          .parked_max = settings.size("broker.access.quota.parked_max"),
          .pending_max = settings.size("broker.access.quota.pending_max")};
}

std::shared_ptr<identity> identity_from(const environment& env, const config& settings) {
  const auto refused = std::make_shared<refused_credentials>(env);
  const auto file = settings.text("broker.access.tokens_file");
  auto listed = file.empty() ? nullptr : std::make_shared<token_identity>(env, file, refused);
  if (!takes_jwts(settings)) return listed;
  auto issued = std::make_shared<jwt_identity>(env, jwt_options_from(env, settings), refused);
  if (!listed) return issued;
  return std::make_shared<either_identity>(std::move(listed), std::move(issued));
}

bool refuses_forwarded(const config& settings) {
  return !settings.boolean("broker.access.open");
}

void check(const config& settings, const char* address_key) {
  const auto file = settings.text("broker.access.tokens_file");
  const auto address = settings.text(address_key);
  if (!file.empty()) token_table::read(file);
  if (takes_jwts(settings)) check_jwts(settings);
  const bool asks = !file.empty() || takes_jwts(settings);
  if (asks || is_loopback(address) || settings.boolean("broker.access.open")) return;
  throw settings.complaint(
      address_key, address +
                       " is reached from other hosts, and nobody would be asked who they are: name a file of "
                       "tokens in broker.access.tokens_file (\"amc token new\" makes them), or listen on 127.0.0.1, "
                       "or say broker.access.open: true where everybody may do everything");
}

}  // namespace amc::access
