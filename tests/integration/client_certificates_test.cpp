#include <gmock/gmock.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <fstream>

#include "core/loop.hpp"
#include "http/client.hpp"
#include "tests/support/binary_test.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/tls_client.hpp"

/// Certificates in the place of tokens, against the real binary.
namespace amc::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ClientCertificates : public binary_test {
 protected:
  ClientCertificates() : server_(folder_.path, "ca"), clients_(folder_.path, "clients") {
    server_.sign("server", "IP:127.0.0.1");
    clients_.sign("billing", "DNS:Billing.example,URI:spiffe://example/billing");
    clients_.sign("other", "DNS:other.example");
    clients_.revoke_nothing();
    std::ofstream(folder_.path / "tokens.yaml")
        << "- {name: billing, certificate: \"dns:billing.example\", may: [\"read:*\"]}\n";
  }

  process::options broker() const {
    return amc_command(folder_.path, {"broker"},
                       {"broker.http.port=0", "broker.http.tls.certificate_file=server.pem",
                        "broker.http.tls.key_file=server.key", "broker.http.tls.client_ca_file=clients.pem",
                        "broker.http.tls.crl_file=clients.crl", "broker.access.tokens_file=tokens.yaml"});
  }
  int run(std::vector<std::string> words, std::vector<std::string> sets) {
    process once(amc_command(folder_.path, std::move(words), std::move(sets)));
    return ended(once);
  }
  /// The answer to a listing by who shows this certificate; throws where there is none.
  std::string listing(std::uint16_t port, const std::string& shows, int version = TLS1_3_VERSION) const {
    return tls_client(port, server_.file(), version, shows.empty() ? "" : folder_.path / shows).ask("GET", "/queues");
  }

  authority server_, clients_;
};

TEST_F(ClientCertificates, SayWhoAsks) {
  process running(broker());
  const auto port = port_of(running);
  for (const auto version : {TLS1_2_VERSION, TLS1_3_VERSION})
    EXPECT_THAT(listing(port, "billing", version), HasSubstr("200 OK")) << version;
  tls_client client(port, server_.file(), TLS1_3_VERSION, folder_.path / "billing");
  EXPECT_THAT(client.ask("POST", "/messages", R"({"queue":"q","message":"x"})"), HasSubstr("403 Forbidden"));
  EXPECT_THAT(client.ask("GET", "/queues"), HasSubstr("200 OK"));
}

TEST_F(ClientCertificates, WithoutOneTheHandshakeGoesOnAndATokenIsNeeded) {
  process running(broker());
  const auto port = port_of(running);
  for (const auto version : {TLS1_2_VERSION, TLS1_3_VERSION})
    EXPECT_THAT(listing(port, "", version), HasSubstr("401 Unauthorized")) << version;
  EXPECT_THAT(tls_client(port, server_.file()).ask("GET", "/healthz"), HasSubstr("200 OK"));
}

TEST_F(ClientCertificates, OneThatNoEntryNamesIsNobodys) {
  process running(broker());
  EXPECT_THAT(listing(port_of(running), "other"), AllOf(HasSubstr("401 Unauthorized"), HasSubstr("certificate")));
  running.wait_for_error_text("a certificate that no entry names (dns:other.example)");
}

TEST_F(ClientCertificates, OneOfAnotherAuthorityEndsTheHandshake) {
  const std::filesystem::path elsewhere = folder_.path / "elsewhere";
  std::filesystem::create_directory(elsewhere);
  authority impostor(elsewhere, "clients");
  impostor.sign("billing", "DNS:billing.example");
  process running(broker());
  const auto port = port_of(running);
  for (const auto version : {TLS1_2_VERSION, TLS1_3_VERSION})
    EXPECT_ANY_THROW(listing(port, "elsewhere/billing", version)) << version;
  running.wait_for_error_text("127.0.0.1: its certificate was refused: ");
  EXPECT_THAT(listing(port, "billing"), HasSubstr("200 OK"));
}

TEST_F(ClientCertificates, OneForServersIsNone) {
  process running(broker());
  EXPECT_ANY_THROW(listing(port_of(running), "server")) << "of the server's own authority";
}

/// The public half of one key with the secret half of another: what somebody has who has found a certificate.
void show_without_key(SSL_CTX* own, const std::string& certificate_file) {
  SSL_CTX_use_certificate_file(own, certificate_file.c_str(), SSL_FILETYPE_PEM);
  auto* shown = X509_get0_pubkey(SSL_CTX_get0_certificate(own));
  auto* other = EVP_EC_gen("P-256");
  unsigned char point[65];
  std::size_t size = 0;
  ASSERT_EQ(EVP_PKEY_get_octet_string_param(shown, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, sizeof point, &size), 1);
  BIGNUM* secret = nullptr;
  ASSERT_EQ(EVP_PKEY_get_bn_param(other, OSSL_PKEY_PARAM_PRIV_KEY, &secret), 1);
  auto* building = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_utf8_string(building, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
  OSSL_PARAM_BLD_push_octet_string(building, OSSL_PKEY_PARAM_PUB_KEY, point, size);
  OSSL_PARAM_BLD_push_BN(building, OSSL_PKEY_PARAM_PRIV_KEY, secret);
  auto* parameters = OSSL_PARAM_BLD_to_param(building);
  auto* making = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
  EVP_PKEY* mixed = nullptr;
  ASSERT_EQ(EVP_PKEY_fromdata_init(making), 1);
  ASSERT_EQ(EVP_PKEY_fromdata(making, &mixed, EVP_PKEY_KEYPAIR, parameters), 1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey(own, mixed), 1);
  EVP_PKEY_free(mixed);
  EVP_PKEY_CTX_free(making);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(building);
  BN_free(secret);
  EVP_PKEY_free(other);
}

TEST_F(ClientCertificates, OneWithoutItsKeyEndsTheHandshake) {
  process running(broker());
  const auto port = port_of(running);
  for (const auto version : {TLS1_2_VERSION, TLS1_3_VERSION})
    EXPECT_ANY_THROW(tls_client(port, server_.file(), version, [&](SSL_CTX* own) {
                       show_without_key(own, folder_.path / "billing.pem");
                     }).ask("GET", "/queues"));
  running.wait_for_error_text("its certificate was refused: its key is not there");
}

TEST_F(ClientCertificates, ARevokedOneEndsTheConnectionsThatThereAreAndBeginsNone) {
  process running(broker());
  const auto port = port_of(running);
  tls_client before(port, server_.file(), TLS1_3_VERSION, folder_.path / "billing"),
      another(port, server_.file(), TLS1_3_VERSION, folder_.path / "other");
  EXPECT_THAT(before.ask("GET", "/queues"), HasSubstr("200 OK"));
  EXPECT_THAT(another.ask("GET", "/healthz"), HasSubstr("200 OK"));
  clients_.revoke("billing");
  running.wait_for_error_text("its certificate is not good any more");
  EXPECT_ANY_THROW(before.ask("GET", "/queues"));
  EXPECT_ANY_THROW(listing(port, "billing"));
  running.wait_for_error_text("read again: ");
  EXPECT_THAT(another.ask("GET", "/healthz"), HasSubstr("200 OK")) << "nobody has revoked that one";
}

TEST_F(ClientCertificates, AListOfAnotherAuthorityChangesNothing) {
  process running(broker());
  const auto port = port_of(running);
  server_.revoke_nothing();
  std::filesystem::rename(folder_.path / "ca.crl", folder_.path / "clients.crl");
  running.wait_for_error_text("the certificate stays as it was: broker.http.tls.crl_file");
  EXPECT_THAT(listing(port, "billing"), HasSubstr("200 OK"));
}

TEST_F(ClientCertificates, AStartWithFilesThatDoNotFitEnds) {
  const std::vector<std::string> server{"broker.http.port=0", "broker.http.tls.certificate_file=server.pem",
                                        "broker.http.tls.key_file=server.key"};
  const auto start = [&](const std::vector<std::string>& more) {
    auto sets = server;
    sets.insert(sets.end(), more.begin(), more.end());
    return run({"broker"}, sets);
  };
  EXPECT_EQ(start({"broker.http.tls.client_ca_file=server.key"}), 2);
  EXPECT_THAT(err_, HasSubstr("broker.http.tls.client_ca_file"));
  EXPECT_EQ(start({"broker.http.tls.crl_file=clients.crl"}), 2);
  EXPECT_THAT(err_, HasSubstr("broker.http.tls.crl_file"));
  EXPECT_EQ(start({"broker.http.tls.client_ca_file=ca.pem", "broker.http.tls.crl_file=clients.crl"}), 2);
  EXPECT_THAT(err_, HasSubstr("broker.http.tls.crl_file"));
  EXPECT_EQ(start({"broker.http.tls.client_ca_file=clients.pem"}), 2);
  EXPECT_THAT(err_, HasSubstr("broker.access.tokens_file"));
  EXPECT_EQ(run({"broker"}, {"broker.http.port=0", "broker.http.tls.client_ca_file=clients.pem"}), 2);
  EXPECT_THAT(err_, HasSubstr("broker.http.tls.certificate_file"));
}

TEST_F(ClientCertificates, EveryClientOfOursShowsItsOwn) {
  process running(broker());
  const auto key = [](const std::string& name) { return "consumer_services.broker_client." + name; };
  const std::vector<std::string> known{key("url=https://127.0.0.1:") + std::to_string(port_of(running)),
                                       key("ca_file=ca.pem")};
  const auto list = [&](const std::vector<std::string>& more) {
    auto sets = known;
    sets.insert(sets.end(), more.begin(), more.end());
    return run({"queues"}, sets);
  };
  EXPECT_EQ(list({key("certificate_file=billing.pem"), key("key_file=billing.key")}), 0) << err_;
  EXPECT_EQ(list({}), 1);
  EXPECT_EQ(list({key("certificate_file=billing.pem")}), 2);
  EXPECT_THAT(err_, HasSubstr("key_file"));
  EXPECT_EQ(list({key("certificate_file=billing.pem"), key("key_file=other.key")}), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr("broker_client.key_file"), HasSubstr("other.key")));
}

TEST_F(ClientCertificates, AClientShowsANewOneOnceItIsThere) {
  clients_.sign("shown", "DNS:nobody.example");
  process running(broker());
  http::client_options options;
  options.url = "https://127.0.0.1:" + std::to_string(port_of(running));
  options.ca_file = server_.file();
  options.certificate_file = folder_.path / "shown.pem";
  options.key_file = folder_.path / "shown.key";
  options.idle_max = 0;  // each request has a connection of its own
  loop on("client");
  std::shared_ptr<http::caller> client;
  on.run([&] { client = http::make_client(on.env(), options); });
  const auto status = [&] {
    http::request asked{"GET", "/queues"};
    return on.run(client->send(std::move(asked), milliseconds(20'000))).status;
  };
  EXPECT_EQ(status(), 401);
  clients_.sign("shown", "DNS:billing.example");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (status() != 200) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  on.run([&] { client.reset(); });
}

}  // namespace
}  // namespace amc::tests
