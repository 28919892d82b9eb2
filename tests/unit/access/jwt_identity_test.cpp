#include "access/jwt_identity.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "access/either_identity.hpp"
#include "core/log.hpp"
#include "tests/support/jwt_signer.hpp"
#include "tests/support/manual_environment.hpp"
#include "tests/support/temporary_folder.hpp"

namespace amc::access {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using tests::jwt_signer;

/// The server of `keys_url`, in the hands of a test.
class scripted_server : public http::caller {
 public:
  task<http::response> send(http::request asked, milliseconds) override {
    ++count;
    target = asked.target;
    if (away) throw unavailable(unavailable::reason::away, "nobody is there");
    co_return answer;
  }
  http::response answer{};
  std::string target{};
  int count = 0;
  bool away = false;
};

/// Keys in a real file, and time in the test's hands.
class JwtIdentity : public testing::Test {
 protected:
  JwtIdentity() {
    log::redirect([this](const log::line& line) { lines_.emplace_back(line.text); });
    write(keys_, signer_.set());
    write(denied_, "{}\n");
  }
  ~JwtIdentity() override { log::redirect(nullptr); }

  jwt_options options() const {
    jwt_options all;
    all.rules = {"https://idp.example", "amc", "amc", milliseconds(0)};
    all.token_max_bytes = 8'192;
    all.keys_file = keys_;
    all.denied_file = denied_;
    return all;
  }
  void open(jwt_options with) { jwts_ = std::make_shared<jwt_identity>(world_.env(), std::move(with), refused_); }
  void open() { open(options()); }
  void open_by_url() {
    auto with = options();
    with.keys_file.clear();
    with.keys = {"https://idp.example/keys", "/keys", milliseconds(1'000), milliseconds(300'000)};
    with.keys_server = server_;
    open(std::move(with));
    jwts_->run();
    world_.settle();
  }
  static void write(const std::string& file, const std::string& text) {
    std::ofstream(file + ".new") << text;
    std::filesystem::rename(file + ".new", file);
  }
  std::string claims(const std::string& subject = "billing", const std::string& id = "1") const {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(world_.wall_clock().time_since_epoch()).count();
    return R"({"iss":"https://idp.example","aud":"amc","amc":["read:q"],"sub":")" + subject + R"(","jti":")" + id +
           R"(","exp":)" + std::to_string(now + 60) + "}";
  }
  static http::request asking_with(const std::string& token) {
    return {"GET", "/", {{"Authorization", "Bearer " + token}}};
  }
  result<principal_ptr> ask(const std::string& token) {
    return jwts_->identify(asking_with(token), http::peer(1, "10.0.0.7"));
  }

  tests::temporary_folder folder_;
  std::string keys_ = folder_.path / "keys.json", denied_ = folder_.path / "denied.yaml";
  jwt_signer signer_ = jwt_signer::p256();
  tests::manual_environment world_;
  std::shared_ptr<refused_credentials> refused_ = std::make_shared<refused_credentials>(world_.env());
  std::shared_ptr<scripted_server> server_ = std::make_shared<scripted_server>();
  std::vector<std::string> lines_;
  std::shared_ptr<jwt_identity> jwts_;
};

TEST_F(JwtIdentity, ATokenSaysWhoAsks) {
  open();
  const auto token = signer_.sign(claims());
  for (int i = 0; i < 3; ++i) {
    const auto who = ask(token);
    ASSERT_TRUE(who);
    EXPECT_EQ((*who)->name, "billing@https:%2F%2Fidp.example");
    EXPECT_TRUE((*who)->may(right::read, "q"));
    EXPECT_THAT((*who)->credential, Not(HasSubstr(token.substr(token.rfind('.') + 1))));
  }
}

TEST_F(JwtIdentity, AnythingElseSaysNothing) {
  open();
  const auto good = signer_.sign(claims());
  const auto unsigned_token = good.substr(0, good.rfind('.'));
  for (const auto& token :
       {std::string("x"), std::string(".."), std::string("a.b.c"), unsigned_token, unsigned_token + ".",
        good.substr(0, good.size() - 2), good + "AA", jwt_signer::p256().sign(claims()),
        jwt_signer::p256("other").sign(claims()), std::string(10'000, 'x')}) {
    const auto who = ask(token);
    ASSERT_FALSE(who) << token;
    EXPECT_EQ(who.error().code, errc::unidentified);
  }
  EXPECT_FALSE(jwts_->identify({"GET", "/"}, http::peer()));
  EXPECT_FALSE(jwts_->identify({"GET", "/", {{"Authorization", "Basic " + good}}}, http::peer()));
  EXPECT_FALSE(jwts_->identify({"GET", "/", {{"Authorization", "Bearer " + good}, {"authorization", "Bearer " + good}}},
                               http::peer()));
}

TEST_F(JwtIdentity, ALargerTokenThanTheBoundIsRefused) {
  auto with = options();
  const auto token = signer_.sign(claims());
  with.token_max_bytes = token.size() - 1;
  open(with);
  EXPECT_FALSE(ask(token));
  EXPECT_THAT(lines_, Contains(HasSubstr("broker.access.jwt.token_max_bytes")));
}

TEST_F(JwtIdentity, ATokenLastsUntilItExpires) {
  open();
  const auto token = signer_.sign(claims());
  const auto who = ask(token);
  ASSERT_TRUE(who);
  world_.advance(milliseconds(59'000));
  EXPECT_TRUE(ask(token));
  EXPECT_TRUE(jwts_->again(**who));
  world_.advance(milliseconds(1'000));
  EXPECT_FALSE(ask(token));
  EXPECT_FALSE(jwts_->again(**who));
}

TEST_F(JwtIdentity, WhatIsDeniedEndsWithinASecond) {
  open();
  jwts_->run();
  const auto by_id = signer_.sign(claims("a", "7")), by_name = signer_.sign(claims("b", "8")),
             neither = signer_.sign(claims("c", "9"));
  const auto first = ask(by_id), second = ask(by_name), third = ask(neither);
  ASSERT_TRUE(first && second && third);
  write(denied_, "jti: [\"7\"]\nsub: [b]\n");
  world_.advance(milliseconds(1'000));
  for (const auto& token : {by_id, by_name}) EXPECT_FALSE(ask(token));
  EXPECT_FALSE(jwts_->again(**first));
  EXPECT_FALSE(jwts_->again(**second));
  EXPECT_TRUE(ask(neither));
  EXPECT_TRUE(jwts_->again(**third));
  world_.run(jwts_->stop());
}

TEST_F(JwtIdentity, AKeyThatIsTakenAwayEndsItsTokensWithinASecond) {
  open();
  jwts_->run();
  const auto token = signer_.sign(claims());
  const auto who = ask(token);
  ASSERT_TRUE(who);
  write(keys_, jwt_signer::p256().set());  // of the same id
  world_.advance(milliseconds(1'000));
  EXPECT_FALSE(ask(token));
  EXPECT_FALSE(jwts_->again(**who));
  world_.run(jwts_->stop());
}

TEST_F(JwtIdentity, ABrokenFileChangesNothingAndIsTold) {
  open();
  const auto token = signer_.sign(claims());
  for (const auto* broken : {"", "{}", R"({"keys":[1]})"}) {
    write(keys_, broken);
    jwts_->look();
    EXPECT_TRUE(ask(token)) << broken;
  }
  EXPECT_THAT(lines_, Contains(HasSubstr("the keys stay as they were")));
  for (const auto* broken : {"", "[]", "jti: 1", "sub: [billing]\nothers: []", "sub: [[billing]]"}) {
    write(denied_, broken);
    jwts_->look();
    EXPECT_TRUE(ask(token)) << broken;
  }
  EXPECT_THAT(lines_, Contains(HasSubstr("what is denied stays as it was")));
}

TEST_F(JwtIdentity, AStartWithABrokenFileComplains) {
  write(denied_, "[]");
  EXPECT_THROW(open(), config_error);
  write(denied_, "{}");
  write(keys_, "[]");
  EXPECT_THROW(open(), config_error);
  std::filesystem::remove(keys_);
  EXPECT_THROW(open(), config_error);
}

TEST_F(JwtIdentity, WrongTokensAreToldOnceASecondAndNeverThemselves) {
  open();
  world_.advance(milliseconds(10'000));
  lines_.clear();
  const auto good = signer_.sign(claims());
  for (int i = 0; i < 10'000; ++i) ASSERT_FALSE(ask(good.substr(0, good.size() - 6) + std::to_string(100'000 + i)));
  EXPECT_EQ(lines_.size(), 1U);
  world_.advance(milliseconds(1'000));
  EXPECT_FALSE(ask(good.substr(0, good.size() - 2)));
  ASSERT_EQ(lines_.size(), 2U);
  EXPECT_THAT(lines_.back(), HasSubstr("9999 more"));
  for (const auto& line : lines_) EXPECT_THAT(line, Not(HasSubstr(good.substr(0, 40))));
}

TEST_F(JwtIdentity, WhoHasATokenOfTheIssuerIsToldWhatIsWrongWithIt) {
  open();
  const auto who = ask(signer_.sign(claims("no name")));
  ASSERT_FALSE(who);
  EXPECT_THAT(who.error().detail, HasSubstr("\"sub\""));
}

TEST_F(JwtIdentity, KeysComeByAUrl) {
  server_->answer = {200, {}, signer_.set()};
  open_by_url();
  EXPECT_EQ(server_->target, "/keys");
  EXPECT_TRUE(ask(signer_.sign(claims())));
  world_.run(jwts_->stop());
}

TEST_F(JwtIdentity, WhatIsNoSetOfKeysKeepsThoseThatAreThere) {
  server_->answer = {200, {}, signer_.set()};
  open_by_url();
  const auto next = jwt_signer::p256("next");
  for (const auto& answer : {http::response{302, {{"Location", "https://evil.example/"}}, next.set()},
                             http::response{500, {}, next.set()}, http::response{200, {}, "<html>"}}) {
    server_->answer = answer;
    world_.advance(milliseconds(300'000));
    EXPECT_TRUE(ask(signer_.sign(claims()))) << answer.status;
    EXPECT_FALSE(ask(next.sign(claims()))) << answer.status;
  }
  server_->away = true;
  world_.advance(milliseconds(300'000));
  EXPECT_TRUE(ask(signer_.sign(claims())));
  EXPECT_THAT(lines_, Contains(HasSubstr("https://idp.example/keys: the keys stay as they were")).Times(1));
  server_->away = false;
  server_->answer = {200, {}, next.set()};
  world_.advance(milliseconds(300'000));
  EXPECT_FALSE(ask(signer_.sign(claims()))) << "taken away";
  EXPECT_TRUE(ask(next.sign(claims())));
  world_.run(jwts_->stop());
}

TEST_F(JwtIdentity, AKeyThatIsNotKnownIsAskedForOnceAMinute) {
  server_->answer = {200, {}, signer_.set()};
  open_by_url();
  const auto next = jwt_signer::p256("next");
  const auto ask_often = [&] {
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(ask(next.sign(claims())));
    world_.settle();
  };
  ask_often();
  EXPECT_EQ(server_->count, 1) << "asked a moment ago";
  world_.advance(milliseconds(60'000));
  ask_often();
  EXPECT_EQ(server_->count, 2);
  server_->answer.body = R"({"keys":[)" + next.jwk() + "]}";
  world_.advance(milliseconds(60'000));
  EXPECT_FALSE(ask(next.sign(claims())));
  world_.settle();
  EXPECT_TRUE(ask(next.sign(claims())));
  EXPECT_EQ(server_->count, 3);
  world_.run(jwts_->stop());
}

TEST_F(JwtIdentity, AFormDecidesWhoIsAsked) {
  open();
  const auto tokens = folder_.path / "tokens.yaml";
  std::string hex;
  for (const unsigned char byte : digest_of("opaque")) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    hex += digits;
  }
  write(tokens, "- {name: billing, sha256: \"" + hex + "\", may: [send:q]}\n");
  either_identity both(std::make_shared<token_identity>(world_.env(), tokens, refused_), jwts_);
  const auto listed = both.identify(asking_with("opaque"), http::peer());
  const auto issued = both.identify(asking_with(signer_.sign(claims())), http::peer());
  ASSERT_TRUE(listed && issued);
  EXPECT_EQ((*listed)->name, "billing");
  EXPECT_NE((*issued)->name, (*listed)->name) << "another one of the same subject";
  EXPECT_TRUE(both.again(**listed));
  EXPECT_TRUE(both.again(**issued));
  EXPECT_FALSE(both.identify({"GET", "/"}, http::peer()));
}

TEST(HttpsUrl, IsTakenApart) {
  const auto url = parse_https_url("https://idp.example:8443/realms/a/keys?v=1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->server, "https://idp.example:8443");
  EXPECT_EQ(url->target, "/realms/a/keys?v=1");
  EXPECT_EQ(parse_https_url("https://idp.example")->target, "/");
  for (const auto* wrong :
       {"", "http://idp.example/", "idp.example", "https://", "https://a:b@idp.example/",
        "https://idp.example:99999/keys", "https://idp.example/#x", "https://idp.example:0/", "file:///etc/passwd"})
    EXPECT_FALSE(parse_https_url(wrong)) << wrong;
}

}  // namespace
}  // namespace amc::access
