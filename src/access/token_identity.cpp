#include "access/token_identity.hpp"

#include "core/log.hpp"

namespace amc::access {
namespace {

constexpr const char* component = "access";
constexpr std::size_t token_max_bytes = 4'096;

/// The same, for no longer than until then.
principal_ptr until(principal_ptr who, std::optional<timestamp> end) {
  if (!who || !end || (who->expires_at && *who->expires_at <= *end)) return who;
  auto limited = std::make_shared<principal>(*who);
  limited->expires_at = end;
  return limited;
}

}  // namespace

token_identity::token_identity(const environment& env, std::string file, std::shared_ptr<refused_credentials> refused)
    : env_(env),
      file_(std::move(file)),
      refused_(std::move(refused)),
      watched_(env, {file_}, [this] { read_again(); }),
      tokens_(std::make_shared<const token_table>(token_table::read(file_))) {
  log::info(component, "asks for tokens: " + std::to_string(tokens_->size()) + " in " + file_);
}

result<principal_ptr> token_identity::identify(const http::request& asked, const http::peer& from) {
  using enum authorization::form;
  const auto said = authorization_of(asked);
  if (said.what == none) return identify(from);
  if (said.what == several) return refused_->wrong(from, "several Authorization fields");
  if (said.what == other || said.token.size() > token_max_bytes)
    return refused_->wrong(from, "an Authorization field that is no \"Bearer TOKEN\"");
  auto who = tokens_->find(digest_of(said.token));
  if (!who) return refused_->wrong(from, "an unknown token");
  if (is_expired(*who)) return refused_->wrong(from, "an expired token of " + who->name);
  return who;
}

result<principal_ptr> token_identity::identify(const http::peer& from) {
  const auto* shown = from.certificate();
  if (!shown) return refused_->none(from);
  auto who = until(tokens_->find_certificate(shown->names), shown->expires_at);
  if (!who) return refused_->unnamed(from);
  if (is_expired(*who)) return refused_->wrong(from, "an expired certificate or entry of " + who->name);
  return who;
}

bool token_identity::is_expired(const principal& who) const {
  return who.expires_at && *who.expires_at <= env_.wall_clock();
}

principal_ptr token_identity::again(const principal& known) const {
  auto who = known.kind == credential_kind::certificate
                 ? until(tokens_->find_certificate({known.credential}), known.expires_at)
                 : tokens_->find(known.credential);
  return who && is_expired(*who) ? nullptr : who;
}

void token_identity::read_again() try {
  tokens_ = std::make_shared<const token_table>(token_table::read(file_));
  log::info(component, "read again: " + std::to_string(tokens_->size()) + " tokens in " + file_);
} catch (const config_error& wrong) {
  log::error(component, std::string("the tokens stay as they were: ") + wrong.what());
}

}  // namespace amc::access
