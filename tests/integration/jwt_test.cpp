#include <gmock/gmock.h>

#include <csignal>
#include <fstream>

#include "core/loop.hpp"
#include "http/server.hpp"
#include "tests/support/binary_test.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/jwt_signer.hpp"
#include "tests/support/raw_http.hpp"

/// JSON Web Tokens, against the real binary.
namespace amc::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// A provider's server: the keys at /keys, over TLS.
class keys_server {
 public:
  keys_server(const std::string& certificate, const std::string& key, std::string keys) : keys_(std::move(keys)) {
    loop_.run([&] {
      http::server_options options;
      options.address = "127.0.0.1";
      options.header_max_bytes = options.body_max_bytes = 16'384;
      options.connections_max = 10;
      options.idle_timeout = options.header_timeout = options.body_timeout = milliseconds(10'000);
      options.rate_min_bytes_per_s = 1;
      options.bodies_max_bytes = options.answers_max_bytes = 1 << 20;
      options.certificates = std::make_shared<http::tls_certificates>(loop_.env(), http::tls_files{certificate, key});
      server_ = std::make_unique<http::server>(
          loop_.env(), options, [this](const http::request& asked) { return answer(asked); },
          [](int status, std::string, std::string_view) {
            http::response reply{status};
            return reply;
          });
      server_->run();
    });
  }
  ~keys_server() {
    loop_.run(server_->stop(milliseconds(0)));
    loop_.run([&] { server_.reset(); });
  }
  std::string url() const { return server_->url(); }

 private:
  task<http::response> answer(const http::request& asked) {
    http::response reply{404};
    if (asked.target == "/keys") reply = {200, {}, keys_};
    if (asked.target == "/moved") reply = {302, {{"Location", "/keys"}}, {}};
    co_return reply;
  }

  std::string keys_;
  loop loop_{"keys"};
  std::unique_ptr<http::server> server_;
};

class JwtOfTheBinary : public binary_test {
 protected:
  JwtOfTheBinary() { write("keys.json", signer_.set()); }

  void write(const std::string& file, const std::string& text) const {
    std::ofstream(folder_.path / (file + ".new")) << text;
    std::filesystem::rename(folder_.path / (file + ".new"), folder_.path / file);
  }
  std::vector<std::string> sets(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"broker.http.port=0", "broker.access.jwt.issuer=https://idp.example",
                                 "broker.access.jwt.audience=amc"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  process::options broker(const std::vector<std::string>& more) const {
    return amc_command(folder_.path, {"broker"}, sets(more));
  }
  int start(const std::vector<std::string>& more) {
    process once(broker(more));
    return ended(once);
  }
  static std::string claims(const std::string& subject, const std::string& rights) {
    return R"({"iss":"https://idp.example","aud":"amc","sub":")" + subject + R"(","amc":)" + rights +
           R"(,"jti":"1","exp":)" + std::to_string(std::time(nullptr) + 3'600) + "}";
  }
  static answer asked(std::uint16_t port, const std::string& token, const std::string& method = "GET",
                      const std::string& target = "/queues", const std::string& body = "") {
    return ask(port, method, target, body, "Authorization: Bearer " + token + "\r\n");
  }

  jwt_signer signer_ = jwt_signer::p256();
  const std::string file_ = "broker.access.jwt.keys_file=keys.json";
};

TEST_F(JwtOfTheBinary, SaysWhoAsksAndWhatOneMay) {
  process running(broker({file_}));
  const auto port = port_of(running);
  const auto token = signer_.sign(claims("billing", R"(["send:orders","read:orders"])"));
  EXPECT_EQ(asked(port, token, "POST", "/queues/orders/messages", R"({"message":"x"})").status, 202);
  EXPECT_EQ(asked(port, token, "POST", "/queues/others/messages", R"({"message":"x"})").status, 403);
  EXPECT_EQ(asked(port, token.substr(0, token.rfind('.') + 1)).status, 401);
  EXPECT_EQ(asked(port, jwt_signer::p256().sign(claims("billing", "[]"))).status, 401);
  EXPECT_EQ(ask(port, "GET", "/queues").status, 401);
  running.wait_for_error_text("billing@https:%2F%2Fidp.example from 127.0.0.1");
  EXPECT_THAT(running.errors(), Not(HasSubstr(token)));
}

TEST_F(JwtOfTheBinary, WhatIsDeniedEndsWithoutARestart) {
  write("denied.yaml", "{}\n");
  process running(broker({file_, "broker.access.jwt.denied_file=denied.yaml"}));
  const auto port = port_of(running);
  const auto token = signer_.sign(claims("billing", R"(["read:*"])"));
  EXPECT_EQ(asked(port, token).status, 200);
  write("denied.yaml", "sub: [billing]\n");
  running.wait_for_error_text("read again: 1 entries in denied.yaml");
  EXPECT_EQ(asked(port, token).status, 401);
}

TEST_F(JwtOfTheBinary, NobodyOwnsWhatTheFilesPrincipalOfThatNameHasPosted) {
  process make(amc_command(folder_.path, {"token", "new", "billing", "--may", "send:orders"}));
  ASSERT_EQ(ended(make), 0);
  const auto end = out_.find('\n');
  const auto listed = out_.substr(0, end), issued = signer_.sign(claims("billing", R"(["send:orders"])"));
  write("tokens.yaml", out_.substr(end + 1));
  process running(broker({file_, "broker.access.tokens_file=tokens.yaml"}));
  const auto port = port_of(running);
  const auto of_listed = asked(port, listed, "POST", "/queues/orders/messages", R"({"message":"x"})");
  ASSERT_EQ(of_listed.status, 202);
  const auto target = "/messages/" + of_listed.body.substr(of_listed.body.find("\"id\":\"") + 6, 36);
  EXPECT_EQ(asked(port, listed, "GET", target).status, 200);
  EXPECT_EQ(asked(port, issued, "GET", target).status, 404);
}

TEST_F(JwtOfTheBinary, KeysComeFromAServerThatIsVerified) {
  authority ours(folder_.path, "ca");
  ours.sign("idp", "IP:127.0.0.1");
  const keys_server idp(folder_.path / "idp.pem", folder_.path / "idp.key", signer_.set());
  const auto token = signer_.sign(claims("billing", R"(["read:*"])"));
  const auto expect = [&](int status, const std::string& told, std::vector<std::string> sets) {
    process running(broker(sets));
    const auto port = port_of(running);
    running.wait_for_error_text(told);
    EXPECT_EQ(asked(port, token).status, status) << told;
    running.signal(SIGTERM);
    running.wait();
  };
  const auto by = [&](const std::string& path) { return "broker.access.jwt.keys_url=" + idp.url() + path; };
  const std::string trust = "broker.access.jwt.ca_file=ca.pem";
  expect(200, "1 keys in https://127.0.0.1:", {by("/keys"), trust});
  expect(401, "the keys stay as they were: ", {by("/keys")});  // nobody here knows that authority
  expect(401, "it answered 302", {by("/moved"), trust});
}

TEST_F(JwtOfTheBinary, AStartThatIsNotWholeEnds) {
  const auto expect_end = [&](const std::vector<std::string>& more, const std::string& key) {
    EXPECT_EQ(start(more), 2) << key;
    EXPECT_THAT(err_, HasSubstr(key));
  };
  expect_end({file_, "broker.access.jwt.issuer="}, "broker.access.jwt.issuer");
  expect_end({file_, "broker.access.jwt.audience="}, "broker.access.jwt.audience");
  expect_end({file_, "broker.access.jwt.keys_url=https://idp.example/"}, "broker.access.jwt.keys_url");
  expect_end({"broker.access.jwt.keys_url=http://idp.example/"}, "broker.access.jwt.keys_url");
  expect_end({"broker.access.jwt.keys_url=https://idp.example/", "broker.access.jwt.ca_file=none.pem"},
             "broker.access.jwt.ca_file");
  expect_end({"broker.access.jwt.keys_file=none.json"}, "none.json");
  write("broken.json", R"({"keys":[{"kty":"oct","k":"c2VjcmV0"}]})");
  expect_end({"broker.access.jwt.keys_file=broken.json"}, "broken.json: broker.access.jwt.keys_file: key 1 is secret");
  write("denied.yaml", "- 1\n");
  expect_end({file_, "broker.access.jwt.denied_file=denied.yaml"}, "denied.yaml:1: broker.access.jwt.denied_file");
}

}  // namespace
}  // namespace amc::tests
