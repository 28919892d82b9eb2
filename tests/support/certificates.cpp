#include "tests/support/certificates.hpp"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <stdexcept>

namespace amc::tests {

struct authority::pair {
  std::unique_ptr<X509, decltype(&X509_free)> certificate{X509_new(), X509_free};
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{EVP_EC_gen("P-256"), EVP_PKEY_free};
};

namespace {

void check(bool done) {
  if (!done) throw std::runtime_error("OpenSSL makes no certificate");
}

void extend(X509* certificate, int kind, const std::string& value) {
  const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()), X509_EXTENSION_free);
  check(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void fill(X509* certificate, EVP_PKEY* key, const std::string& name) {
  constexpr long day_s = 86'400;
  std::uint32_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -day_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate), day_s);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  check(X509_set_pubkey(certificate, key) == 1);
}

/// In one step, as a new file is put in the place of an old one.
template <class Write>
void write(const std::filesystem::path& file, const Write& put) {
  const auto fresh = file.string() + ".new";
  auto* to = std::fopen(fresh.c_str(), "w");
  check(to && put(to) == 1 && std::fclose(to) == 0);
  std::filesystem::rename(fresh, file);
}

}  // namespace

authority::authority(std::filesystem::path folder, const std::string& name)
    : folder_(std::move(folder)), name_(name), own_(std::make_unique<pair>()) {
  auto* certificate = own_->certificate.get();
  fill(certificate, own_->key.get(), name);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  extend(certificate, NID_basic_constraints, "critical,CA:TRUE");
  check(X509_sign(certificate, own_->key.get(), EVP_sha256()) > 0);
  write(folder_ / (name + ".pem"), [&](FILE* to) { return PEM_write_X509(to, certificate); });
}

authority::~authority() = default;

void authority::sign(const std::string& name, const std::string& names) {
  const pair signed_pair;
  auto* certificate = signed_pair.certificate.get();
  fill(certificate, signed_pair.key.get(), name);
  X509_set_issuer_name(certificate, X509_get_subject_name(own_->certificate.get()));
  extend(certificate, NID_subject_alt_name, names);
  check(X509_sign(certificate, own_->key.get(), EVP_sha256()) > 0);
  write(folder_ / (name + ".pem"), [&](FILE* to) { return PEM_write_X509(to, certificate); });
  write(folder_ / (name + ".key"), [&](FILE* to) {
    return PEM_write_PrivateKey(to, signed_pair.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

void authority::revoke(const std::string& name) {
  auto* from = std::fopen((folder_ / (name + ".pem")).c_str(), "r");
  check(from);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(PEM_read_X509(from, nullptr, nullptr, nullptr),
                                                                X509_free);
  std::fclose(from);
  std::uint64_t serial = 0;
  check(certificate && ASN1_INTEGER_get_uint64(&serial, X509_get0_serialNumber(certificate.get())) == 1);
  revoked_.push_back(static_cast<std::uint32_t>(serial));
  write_list();
}

void authority::write_list() const {
  constexpr long day_s = 86'400;
  const std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> list(X509_CRL_new(), X509_CRL_free);
  const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> begin(X509_gmtime_adj(nullptr, -day_s), ASN1_TIME_free),
      end(X509_gmtime_adj(nullptr, day_s), ASN1_TIME_free);
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(own_->certificate.get()));
  X509_CRL_set1_lastUpdate(list.get(), begin.get());
  X509_CRL_set1_nextUpdate(list.get(), end.get());
  for (const auto serial : revoked_) {
    auto* entry = X509_REVOKED_new();
    const std::unique_ptr<ASN1_INTEGER, decltype(&ASN1_INTEGER_free)> number(ASN1_INTEGER_new(), ASN1_INTEGER_free);
    ASN1_INTEGER_set_uint64(number.get(), serial);
    X509_REVOKED_set_serialNumber(entry, number.get());
    X509_REVOKED_set_revocationDate(entry, begin.get());
    X509_CRL_add0_revoked(list.get(), entry);
  }
  check(X509_CRL_sign(list.get(), own_->key.get(), EVP_sha256()) > 0);
  write(folder_ / (name_ + ".crl"), [&](FILE* to) { return PEM_write_X509_CRL(to, list.get()); });
}

}  // namespace amc::tests
