#include <gmock/gmock.h>

#include "tests/support/binary_test.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/tls_client.hpp"

/// TLS, between the real binary and its clients, and a client that trusts one authority alone.
namespace amc::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Tls : public binary_test {
 protected:
  Tls() : ours_(folder_.path, "ca") { ours_.sign("server", "IP:127.0.0.1,DNS:localhost"); }

  process::options command(const std::string& what, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"broker.http.port=0", "broker.http.tls.certificate_file=server.pem",
                               "broker.http.tls.key_file=server.key"});
    return amc_command(folder_.path, {what}, std::move(more));
  }
  int run(std::vector<std::string> words, std::vector<std::string> sets) {
    process once(amc_command(folder_.path, std::move(words), std::move(sets)));
    return ended(once);
  }
  static std::string url(const std::string& host, std::uint16_t port) {
    return "consumer_services.broker_client.url=https://" + host + ":" + std::to_string(port);
  }

  authority ours_;
  const std::string trust_ = "consumer_services.broker_client.ca_file=ca.pem";
};

TEST_F(Tls, AClientTakesOnlyTheServerThatItAskedFor) {
  process broker(command("broker"));
  const auto port = port_of(broker);
  for (const auto* host : {"127.0.0.1", "localhost"})
    EXPECT_EQ(run({"queues"}, {url(host, port), trust_}), 0) << host << err_;
  EXPECT_EQ(run({"queues"}, {url("127.0.0.1", port)}), 1) << "nobody here knows that authority";
  EXPECT_THAT(err_, HasSubstr("certificate verify failed"));
  ours_.sign("server", "DNS:another.example,IP:127.0.0.2");
  broker.wait_for_error_text("read again: the certificate");
  EXPECT_EQ(run({"queues"}, {url("127.0.0.1", port), trust_}), 1);
  EXPECT_THAT(err_, HasSubstr("certificate verify failed"));
}

TEST_F(Tls, AConversationEndToEnd) {
  process broker(command("broker"));
  const auto at = url("127.0.0.1", port_of(broker));
  process service_a(amc_command(folder_.path, {"service-a"}, {at, trust_}));
  process service_b(amc_command(folder_.path, {"service-b"}, {at, trust_}));
  EXPECT_EQ(run({"requester"}, {at, trust_}), 0) << err_ << service_a.errors();
  EXPECT_THAT(out_, HasSubstr("Bye!"));
}

TEST_F(Tls, BothVersionsAreSpokenAndOlderOnesAreNot) {
  process broker(command("broker"));
  const auto port = port_of(broker);
  for (const auto version : {TLS1_2_VERSION, TLS1_3_VERSION})
    EXPECT_THAT(tls_client(port, ours_.file(), version).ask("GET", "/healthz"), HasSubstr("200 OK"));
  EXPECT_ANY_THROW(tls_client(port, ours_.file(), TLS1_1_VERSION));
}

TEST_F(Tls, NobodyShakesHandsASecondTime) {
  process broker(command("broker"));
  const auto port = port_of(broker);
  tls_client client(port, ours_.file(), TLS1_2_VERSION);
  EXPECT_THAT(client.ask("GET", "/healthz"), HasSubstr("200 OK"));
  EXPECT_FALSE(client.renegotiates());
  EXPECT_THAT(tls_client(port, ours_.file()).ask("GET", "/healthz"), HasSubstr("200 OK"));
}

TEST_F(Tls, LargeMessagesPassBothWays) {
  process broker(command("broker"));
  tls_client client(port_of(broker), ours_.file());
  const std::string text(900'000, 'x');
  for (int i = 0; i < 3; ++i) {
    const auto accepted = client.ask("POST", "/messages", R"({"queue":"q","message":")" + text + "\"}");
    ASSERT_THAT(accepted, HasSubstr("202 Accepted"));
    EXPECT_THAT(accepted, HasSubstr(text));
  }
}

TEST_F(Tls, APlainRequestIsToldSo) {
  process broker(command("broker"));
  const auto port = port_of(broker);
  EXPECT_THAT(broker.errors(), HasSubstr("listening on https://127.0.0.1:"));
  const auto told = ask(port, "GET", "/healthz");
  EXPECT_EQ(told.status, 400);
  EXPECT_THAT(told.body, HasSubstr("https://"));
}

TEST_F(Tls, AHandshakeThatNeverEndsIsEnded) {
  process broker(command("broker", {"broker.http.header_timeout_ms=100"}));
  const auto port = port_of(broker);
  std::vector<std::unique_ptr<raw_connection>> halves;
  for (int i = 0; i < 2'000; ++i) {
    halves.push_back(std::make_unique<raw_connection>(port));
    if (i % 2 == 0) halves.back()->send(std::string("\x16\x03\x01\x02\x00\x01\x00", 7));
  }
  EXPECT_THAT(tls_client(port, ours_.file()).ask("GET", "/healthz"), HasSubstr("200 OK"));
  for (const auto& half : halves) EXPECT_TRUE(half->closed());
}

TEST_F(Tls, WhatIsNoTlsEndsItsConnectionAlone) {
  process broker(command("broker"));
  const auto port = port_of(broker);
  for (const auto& bytes :
       {std::string("\x16\x03\x01\x00\x05hello", 10), std::string(5'000, '\xff'), std::string(1, '\0')}) {
    raw_connection odd(port);
    odd.send(bytes + std::string(20'000, '\x17'));
  }
  EXPECT_THAT(tls_client(port, ours_.file()).ask("GET", "/healthz"), HasSubstr("200 OK"));
}

TEST_F(Tls, ANewCertificateIsShownToNewConnectionsAndDropsNone) {
  process broker(command("broker"));
  const auto port = port_of(broker);
  tls_client before(port, ours_.file());
  ours_.sign("server", "IP:127.0.0.1");
  broker.wait_for_error_text("read again: the certificate");
  EXPECT_NE(tls_client(port, ours_.file()).serial(), before.serial());
  EXPECT_THAT(before.ask("GET", "/healthz"), HasSubstr("200 OK"));
}

TEST_F(Tls, APairThatDoesNotMatchChangesNothing) {
  process broker(command("broker"));
  const auto port = port_of(broker);
  const auto before = tls_client(port, ours_.file()).serial();
  ours_.sign("other", "IP:127.0.0.1");
  std::filesystem::rename(folder_.path / "other.key", folder_.path / "server.key");
  broker.wait_for_error_text("the certificate stays as it was");
  EXPECT_EQ(tls_client(port, ours_.file()).serial(), before);
}

TEST_F(Tls, AStartWithoutAWholePairEnds) {
  const auto start = [&](const std::string& certificate, const std::string& key) {
    return run({"broker"}, {"broker.http.port=0", "broker.http.tls.certificate_file=" + certificate,
                            "broker.http.tls.key_file=" + key});
  };
  EXPECT_EQ(start("server.pem", ""), 2);
  EXPECT_THAT(err_, HasSubstr("broker.http.tls.key_file"));
  EXPECT_EQ(start("nowhere.pem", "server.key"), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("broker.http.tls.certificate_file"), HasSubstr("nowhere.pem")));
  ours_.sign("other", "IP:127.0.0.1");
  EXPECT_EQ(start("server.pem", "other.key"), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("broker.http.tls.key_file"), HasSubstr("other.key")));
}

}  // namespace
}  // namespace amc::tests
