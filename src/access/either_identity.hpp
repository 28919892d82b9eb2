#pragma once

#include <memory>

#include "access/jwt_identity.hpp"
#include "access/token_identity.hpp"

namespace amc::access {

/// Where there are a file of tokens and an issuer of JWTs: what a credential looks like decides who is asked about it.
class either_identity : public identity {
 public:
  either_identity(std::shared_ptr<token_identity> listed, std::shared_ptr<jwt_identity> issued)
      : listed_(std::move(listed)), issued_(std::move(issued)) {}

  result<principal_ptr> identify(const http::request& asked, const http::peer& from) override {
    const auto said = authorization_of(asked);
    const bool is_jwt = said.what == authorization::form::token && has_jwt_form(said.token);
    return is_jwt ? issued_->identify(asked, from) : listed_->identify(asked, from);
  }
  principal_ptr again(const principal& known) const override {
    return known.kind == credential_kind::jwt ? issued_->again(known) : listed_->again(known);
  }

  void run() override {
    listed_->run();
    issued_->run();
  }
  task<void> stop() override {
    co_await listed_->stop();
    co_await issued_->stop();
  }

 private:
  std::shared_ptr<token_identity> listed_;
  std::shared_ptr<jwt_identity> issued_;
};

}  // namespace amc::access
