#include "access/token_identity.hpp"

#include "core/log.hpp"

namespace amc::access {
namespace {

constexpr const char* component = "access";
constexpr std::size_t token_max_bytes = 4'096;

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
  if (said.what == none) return refused_->none(from);
  if (said.what == several) return refused_->wrong(from, "several Authorization fields");
  if (said.what == other || said.token.size() > token_max_bytes)
    return refused_->wrong(from, "an Authorization field that is no \"Bearer TOKEN\"");
  auto who = tokens_->find(digest_of(said.token));
  if (!who) return refused_->wrong(from, "an unknown token");
  if (who->expires_at && *who->expires_at <= env_.wall_clock())
    return refused_->wrong(from, "an expired token of " + who->name);
  return who;
}

principal_ptr token_identity::again(const principal& known) const {
  auto who = tokens_->find(known.credential);
  const bool expired = who && who->expires_at && *who->expires_at <= env_.wall_clock();
  return expired ? nullptr : who;
}

void token_identity::read_again() try {
  tokens_ = std::make_shared<const token_table>(token_table::read(file_));
  log::info(component, "read again: " + std::to_string(tokens_->size()) + " tokens in " + file_);
} catch (const config_error& wrong) {
  log::error(component, std::string("the tokens stay as they were: ") + wrong.what());
}

}  // namespace amc::access
