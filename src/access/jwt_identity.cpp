#include "access/jwt_identity.hpp"

#include "access/token_file.hpp"
#include "core/config.hpp"
#include "core/config_files.hpp"
#include "core/log.hpp"

namespace amc::access {
namespace {

constexpr const char* component = "access";

std::vector<std::string> those_named(const std::string& file) {
  return file.empty() ? std::vector<std::string>() : std::vector<std::string>{file};
}

/// What a JWT is recognized by once it is verified: its key, its subject and its id. Only the last may have any byte.
struct credential {
  std::string_view key, subject, id;
};

std::string written(const credential& one) {
  return std::string(one.key).append(one.subject).append("\n").append(one.id);
}

credential read(std::string_view text) {
  const std::size_t digest_bytes = digest_of("").size();
  const auto end = text.find('\n', digest_bytes);
  return {text.substr(0, digest_bytes), text.substr(digest_bytes, end - digest_bytes), text.substr(end + 1)};
}

}  // namespace

jwt_identity::jwt_identity(const environment& env, jwt_options options, std::shared_ptr<refused_credentials> refused)
    : env_(env),
      options_(std::move(options)),
      refused_(std::move(refused)),
      watched_keys_(env, those_named(options_.keys_file), [this] { read_keys(); }),
      watched_denied_(env, those_named(options_.denied_file), [this] { read_denied(); }) {
  if (!options_.denied_file.empty()) denied_ = denied_list::read(options_.denied_file);
  if (options_.keys_server)
    fetcher_.emplace(env, options_.keys_server, options_.keys,
                     [this](jwk_set keys) { take(std::move(keys), options_.keys.url); });
  else
    take(read_jwk_file(options_.keys_file), options_.keys_file);
}

void jwt_identity::run() {
  if (!options_.keys_file.empty()) watched_keys_.run();
  if (!options_.denied_file.empty()) watched_denied_.run();
  if (fetcher_) fetcher_->run();
}

task<void> jwt_identity::stop() {
  co_await watched_keys_.stop();
  co_await watched_denied_.stop();
  if (fetcher_) co_await fetcher_->stop();
}

void jwt_identity::look() {
  watched_keys_.look();
  watched_denied_.look();
}

result<principal_ptr> jwt_identity::identify(const http::request& asked, const http::peer& from) {
  using enum authorization::form;
  const auto said = authorization_of(asked);
  if (said.what == none) return refused_->none(from);
  if (said.what == several) return refused_->wrong(from, "several Authorization fields");
  if (said.what == other) return refused_->wrong(from, "an Authorization field that is no \"Bearer TOKEN\"");
  if (said.token.size() > options_.token_max_bytes)
    return refused_->wrong(from, "a JWT larger than broker.access.jwt.token_max_bytes");
  const auto digest = digest_of(said.token);
  if (const auto known = verified_.find(digest); known != verified_.end() && stands(*known->second))
    return known->second;
  auto who = verify(said.token, from);
  constexpr std::size_t verified_max = 1'000;
  if (!who) return who;
  if (verified_.size() >= verified_max) verified_.clear();
  verified_[digest] = *who;
  return who;
}

result<principal_ptr> jwt_identity::verify(const std::string& text, const http::peer& from) {
  const auto token = parse_jwt(text);
  if (!token) return refused_->wrong(from, token.error().detail);
  const auto* key = keys_.find(*token);
  if (!key) {
    if (fetcher_) fetcher_->look_again();
    return refused_->wrong(from, "a JWT whose \"kid\" names none of the " + std::to_string(keys_.size()) + " keys");
  }
  if (key->algorithm != token->algorithm)
    return refused_->wrong(from,
                           "a JWT whose \"alg\" is not that of the key, " + std::string(to_string(key->algorithm)));
  if (!key->has_signed(*token)) return refused_->wrong(from, "a JWT with a wrong signature");
  auto claims = read_claims(token->claims, options_.rules, env_.wall_clock());
  if (!claims) return refused_->unfit(from, claims.error().detail);
  auto who = std::make_shared<principal>(std::move(claims->who));
  who->credential = written({key->fingerprint, claims->subject, claims->id});
  if (!stands(*who))
    return refused_->unfit(from, "a JWT of " + who->name + " that broker.access.jwt.denied_file denies");
  return principal_ptr(std::move(who));
}

principal_ptr jwt_identity::again(const principal& known) const {
  return stands(known) ? std::make_shared<principal>(known) : nullptr;
}

bool jwt_identity::stands(const principal& known) const {
  const auto by = read(known.credential);
  const bool is_denied = denied_.has_subject(by.subject) || (!by.id.empty() && denied_.has_token(by.id));
  return keys_.has(by.key) && !is_denied && known.expires_at > env_.wall_clock();
}

void jwt_identity::take(jwk_set keys, const std::string& origin) {
  keys_ = std::move(keys);
  const auto line =
      "asks for JWTs of " + options_.rules.issuer + ": " + std::to_string(keys_.size()) + " keys in " + origin;
  if (keys_.size() == 0)
    log::warning(component, line + " are for RS256, ES256 or EdDSA: none is taken");
  else
    log::info(component, line);
}

void jwt_identity::read_keys() try {
  take(read_jwk_file(options_.keys_file), options_.keys_file);
} catch (const config_error& wrong) {
  log::error(component, std::string("the keys stay as they were: ") + wrong.what());
}

void jwt_identity::read_denied() try {
  denied_ = denied_list::read(options_.denied_file);
  log::info(component, "read again: " + std::to_string(denied_.size()) + " entries in " + options_.denied_file);
} catch (const config_error& wrong) {
  log::error(component, std::string("what is denied stays as it was: ") + wrong.what());
}

}  // namespace amc::access
