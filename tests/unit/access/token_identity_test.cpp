#include "access/token_identity.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "core/log.hpp"
#include "core/time_text.hpp"
#include "tests/support/manual_environment.hpp"
#include "tests/support/temporary_folder.hpp"

namespace amc::access {
namespace {

using testing::HasSubstr;

/// Tokens in a real file, and time in the test's hands.
class TokenIdentity : public testing::Test {
 protected:
  TokenIdentity() {
    log::redirect([this](const log::line& line) { lines_.emplace_back(line.text); });
    write("foo");
  }
  ~TokenIdentity() override { log::redirect(nullptr); }

  void open() { tokens_.emplace(world_.env(), file_, refused_); }
  static std::string entry_of(const std::string& token, const std::string& more) {
    std::string hex;
    for (const unsigned char byte : digest_of(token)) {
      constexpr const char* digits = "0123456789abcdef";
      hex.append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
    return "- {name: of_" + token + ", sha256: \"" + hex + "\", may: [read:q]" + more + "}\n";
  }
  void write(const std::string& token, const std::string& more = "") { write_text(entry_of(token, more)); }
  /// As it should be done: a new file takes the place of the old one.
  void write_text(const std::string& text) const {
    std::ofstream(file_ + ".new") << text;
    std::filesystem::rename(file_ + ".new", file_);
  }

  result<principal_ptr> ask(const std::string& authorization) {
    const http::request asked{"GET", "/", {{"Authorization", authorization}}};
    return tokens_.value().identify(asked, http::peer(1, "10.0.0.7"));
  }
  bool knows(const std::string& token) { return ask("Bearer " + token).has_value(); }

  tests::temporary_folder folder_;
  std::string file_ = folder_.path / "tokens.yaml";
  tests::manual_environment world_;
  std::shared_ptr<refused_credentials> refused_ = std::make_shared<refused_credentials>(world_.env());
  std::vector<std::string> lines_;
  std::optional<token_identity> tokens_;
};

TEST_F(TokenIdentity, ATokenSaysWhoAsks) {
  open();
  for (const auto* field : {"Bearer foo", "bearer foo", "BEARER   foo"}) {
    const auto who = ask(field);
    ASSERT_TRUE(who) << field;
    EXPECT_EQ((*who)->name, "of_foo");
  }
}

TEST_F(TokenIdentity, AnythingElseSaysNothing) {
  open();
  for (const auto* field : {"", "foo", "Bearer", "Bearer ", "Bearerfoo", "Basic foo", "Bearer fo", "Bearer fooo",
                            "Bearer foo, Bearer foo", "Bearer foo x", "Bearer \"foo\""}) {
    const auto who = ask(field);
    ASSERT_FALSE(who) << field;
    EXPECT_EQ(who.error().code, errc::unidentified);
  }
  EXPECT_FALSE(tokens_->identify({"GET", "/"}, http::peer()));
  EXPECT_FALSE(ask("Bearer " + std::string(100'000, 'x')));
}

TEST_F(TokenIdentity, TwoFieldsAreNone) {
  open();
  const http::request asked{"GET", "/", {{"Authorization", "Bearer foo"}, {"authorization", "Bearer foo"}}};
  EXPECT_FALSE(tokens_->identify(asked, http::peer()));
}

TEST_F(TokenIdentity, ATokenLastsUntilItExpires) {
  write("foo", ", expires: \"" + to_rfc3339(world_.wall_clock() + milliseconds(5'000)) + "\"");
  open();
  const auto who = ask("Bearer foo");
  ASSERT_TRUE(who);
  EXPECT_TRUE(tokens_->again(**who));
  world_.advance(milliseconds(5'000));
  EXPECT_FALSE(knows("foo"));
  EXPECT_FALSE(tokens_->again(**who));
}

TEST_F(TokenIdentity, WhatIsTakenFromTheFileEndsWithinASecond) {
  open();
  tokens_->run();
  const auto who = ask("Bearer foo");
  ASSERT_TRUE(who);
  write("bar");
  world_.advance(milliseconds(1'000));
  EXPECT_FALSE(knows("foo"));
  EXPECT_FALSE(tokens_->again(**who));
  EXPECT_TRUE(knows("bar"));
  world_.run(tokens_->stop());
}

TEST_F(TokenIdentity, ABrokenFileChangesNothingAndIsTold) {
  open();
  for (const auto* broken : {"", "- {name: x}", "[", "- name: x\n  name: y"}) {
    write_text(entry_of("bar", "") + broken + (*broken ? "" : "- 1"));
    tokens_->look();
    EXPECT_TRUE(knows("foo")) << broken;
    EXPECT_FALSE(knows("bar")) << broken;
    EXPECT_THAT(lines_, testing::Contains(HasSubstr("stay as they were"))) << broken;
  }
  std::filesystem::remove(file_);
  tokens_->look();
  EXPECT_TRUE(knows("foo"));
  write("bar");
  tokens_->look();
  EXPECT_TRUE(knows("bar")) << "mended";
}

TEST_F(TokenIdentity, AStartWithABrokenFileComplains) {
  write_text("- 1");
  EXPECT_THROW(token_identity(world_.env(), file_, refused_), config_error);
  EXPECT_THROW(token_identity(world_.env(), file_ + ".none", refused_), config_error);
  EXPECT_THROW(token_identity(world_.env(), folder_.path.string(), refused_), config_error);
}

TEST_F(TokenIdentity, ACertificateSaysWhoAsksWhereNoTokenDoes) {
  write_text("- {name: shipping, certificate: \"dns:shipping.example\", may: [read:q]}\n" + entry_of("foo", ""));
  open();
  http::peer from(1, "10.0.0.7");
  from.show({{"uri:x", "dns:shipping.example"}, world_.wall_clock() + milliseconds(5'000)});
  const auto who = tokens_->identify({"GET", "/"}, from);
  ASSERT_TRUE(who);
  EXPECT_EQ((*who)->name, "shipping");
  EXPECT_TRUE(tokens_->again(**who));
  const auto other = tokens_->identify({"GET", "/", {{"Authorization", "Bearer foo"}}}, from);
  ASSERT_TRUE(other);
  EXPECT_EQ((*other)->name, "of_foo") << "what a request says itself counts";
  EXPECT_FALSE(tokens_->identify({"GET", "/", {{"Authorization", "Bearer wrong"}}}, from));
  world_.advance(milliseconds(5'000));
  EXPECT_FALSE(tokens_->again(**who)) << "the certificate has expired";
  EXPECT_FALSE(tokens_->identify({"GET", "/"}, from));
}

TEST_F(TokenIdentity, ACertificateEndsWithItsEntry) {
  const std::string shipping = "- {name: shipping, certificate: \"dns:shipping.example\", may: [read:q]";
  write_text(shipping + "}\n");
  open();
  http::peer from(1, "10.0.0.7");
  from.show({{"dns:shipping.example"}, world_.wall_clock() + milliseconds(60'000)});
  const auto who = tokens_->identify({"GET", "/"}, from);
  ASSERT_TRUE(who);
  write_text(shipping + ", expires: \"" + to_rfc3339(world_.wall_clock()) + "\"}\n");
  tokens_->look();
  EXPECT_FALSE(tokens_->again(**who));
  write_text("[]\n");
  tokens_->look();
  EXPECT_FALSE(tokens_->again(**who));
  const auto nobody = tokens_->identify({"GET", "/"}, from);
  ASSERT_FALSE(nobody);
  EXPECT_THAT(nobody.error().detail, HasSubstr("certificate"));
}

TEST_F(TokenIdentity, WhoShowsNoTokenIsTold) {
  open();
  EXPECT_FALSE(tokens_->identify({"GET", "/"}, http::peer(1, "10.0.0.7")));
  EXPECT_THAT(lines_, testing::Contains(testing::AllOf(HasSubstr("10.0.0.7"), HasSubstr("want of a token"))));
}

TEST_F(TokenIdentity, WrongTokensAreToldOnceASecond) {
  open();
  world_.advance(milliseconds(10'000));
  lines_.clear();
  for (int i = 0; i < 10'000; ++i) ASSERT_FALSE(knows("wrong" + std::to_string(i)));
  EXPECT_EQ(lines_.size(), 1U);
  world_.advance(milliseconds(1'000));
  EXPECT_FALSE(knows("secret-guess"));
  ASSERT_EQ(lines_.size(), 2U);
  EXPECT_THAT(lines_.back(), HasSubstr("9999 more"));
  for (const auto& line : lines_) EXPECT_THAT(line, testing::Not(HasSubstr("wrong")));
  EXPECT_THAT(lines_.back(), testing::Not(HasSubstr("secret-guess")));
}

}  // namespace
}  // namespace amc::access
