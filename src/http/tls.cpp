#include "http/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <new>

#include "core/error.hpp"
#include "core/text.hpp"

namespace amc::http {
namespace {

std::string in_small_letters(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// What OpenSSL says went wrong.
std::string reason() {
  const auto code = ERR_get_error();
  const auto* text = ERR_reason_error_string(code);
  ERR_clear_error();
  return text ? text : "it cannot be read";
}

[[noreturn]] void complain(const char* key, const std::string& file) {
  throw config_error(std::string(key) + ": \"" + file + "\": " + reason());
}

constexpr const char* client_ca_key = "broker.http.tls.client_ca_file";
constexpr const char* revoked_key = "broker.http.tls.crl_file";

bool is_list_of(X509_CRL* list, X509* authority) {
  return X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(authority)) == 0 &&
         X509_CRL_verify(list, X509_get0_pubkey(authority)) == 1;
}

/// A list of another authority would be as good as none, and without one nobody's certificate can be verified.
void check_lists(X509_STORE* store, const std::string& file) {
  const auto* all = X509_STORE_get0_objects(store);
  const auto any = [&](const auto& test) {
    for (int i = 0; i < sk_X509_OBJECT_num(all); ++i)
      if (test(sk_X509_OBJECT_value(all, i))) return true;
    return false;
  };
  for (int i = 0; i < sk_X509_OBJECT_num(all); ++i) {
    auto* authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
    auto* list = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(all, i));
    const bool has_other = any([&](X509_OBJECT* other) {
      auto* other_authority = X509_OBJECT_get0_X509(other);
      auto* other_list = X509_OBJECT_get0_X509_CRL(other);
      return authority ? other_list && is_list_of(other_list, authority)
                       : other_authority && is_list_of(list, other_authority);
    });
    if (!has_other)
      throw config_error(std::string(revoked_key) + ": \"" + file +
                         "\": " + (authority ? "has no list of an authority in " : "has a list of no authority in ") +
                         client_ca_key);
  }
  ERR_clear_error();
}

/// Certificates of clients are asked for; who has none may go on without.
void ask_clients(SSL_CTX* context, const tls_files& files) {
  if (SSL_CTX_load_verify_file(context, files.client_ca.c_str()) != 1) complain(client_ca_key, files.client_ca);
  auto* names = SSL_load_client_CA_file(files.client_ca.c_str());
  if (!names) complain(client_ca_key, files.client_ca);
  SSL_CTX_set_client_CA_list(context, names);
  constexpr long chain_max_bytes = 32'768;  // of somebody who is not known yet; OpenSSL would take 100 KiB
  SSL_CTX_set_max_cert_list(context, chain_max_bytes);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (files.revoked.empty()) return;
  auto* store = SSL_CTX_get_cert_store(context);
  auto* reading = X509_STORE_add_lookup(store, X509_LOOKUP_file());
  if (!reading || X509_load_crl_file(reading, files.revoked.c_str(), X509_FILETYPE_PEM) < 1)
    complain(revoked_key, files.revoked);
  check_lists(store, files.revoked);
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
}

/// One of the names in a certificate; empty for what is none of these, and for what would not be read as it is written.
std::string name_of(const GENERAL_NAME& name) {
  const auto written = [](const char* kind, const ASN1_IA5STRING* text) {
    std::string_view value(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                           static_cast<std::size_t>(ASN1_STRING_length(text)));
    return has_control(value) ? std::string() : kind + std::string(value);
  };
  if (name.type == GEN_DNS) return in_small_letters(written("dns:", name.d.dNSName));
  if (name.type == GEN_URI) return written("uri:", name.d.uniformResourceIdentifier);
  if (name.type == GEN_EMAIL) return written("email:", name.d.rfc822Name);
  return {};
}

std::vector<std::string> names_in(const X509& certificate) {
  const auto free_all = [](GENERAL_NAMES* all) { GENERAL_NAMES_free(all); };
  const std::unique_ptr<GENERAL_NAMES, decltype(free_all)> all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)), free_all);
  std::vector<std::string> names;
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i)
    if (auto name = name_of(*sk_GENERAL_NAME_value(all.get(), i)); !name.empty()) names.push_back(std::move(name));
  return names;
}

timestamp end_of(const X509& certificate) {
  std::tm parts{};
  ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &parts);
  return timestamp(std::chrono::seconds(timegm(&parts)));
}

}  // namespace

tls_identity::tls_identity(const tls_files& files) : context_(SSL_CTX_new(TLS_server_method())) {
  if (!context_) throw std::bad_alloc();
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> until_it_is_whole(context_, SSL_CTX_free);
  ERR_clear_error();
  SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  // A session that is resumed would go on with a certificate that has been taken out of the files.
  SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_num_tickets(context_, 0);
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_use_certificate_chain_file(context_, files.certificate.c_str()) != 1)
    complain("broker.http.tls.certificate_file", files.certificate);
  if (SSL_CTX_use_PrivateKey_file(context_, files.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context_) != 1)
    complain("broker.http.tls.key_file", files.key);
  if (!files.client_ca.empty()) ask_clients(context_, files);
  SSL_CTX_up_ref(context_);
}

tls_identity::~tls_identity() {
  SSL_CTX_free(context_);
}

tls_end::tls_end(const tls_identity& as) : ssl_(SSL_new(as.context())) {
  auto* in = BIO_new(BIO_s_mem());
  auto* out = BIO_new(BIO_s_mem());
  if (!ssl_ || !in || !out) throw std::bad_alloc();
  SSL_set_bio(ssl_, in, out);
  SSL_set_accept_state(ssl_);
}

tls_end::~tls_end() {
  SSL_free(ssl_);
}

void tls_end::hear(std::string_view encrypted) {
  BIO_write(SSL_get_rbio(ssl_), encrypted.data(), static_cast<int>(encrypted.size()));
}

std::size_t tls_end::read(char* to, std::size_t room) {
  if (over_) return 0;
  ERR_clear_error();
  const int got = SSL_read(ssl_, to, static_cast<int>(std::min<std::size_t>(room, 1 << 20)));
  if (got > 0) return static_cast<std::size_t>(got);
  const int why = SSL_get_error(ssl_, got);
  over_ = why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
  if (over_ && !is_shaken()) fail();
  ERR_clear_error();
  return 0;
}

/// Tells apart those who have shown a certificate: the others are no news.
void tls_end::fail() {
  if (const auto found = SSL_get_verify_result(ssl_); found != X509_V_OK)
    refused_certificate_ = X509_verify_cert_error_string(found);
  else if (SSL_get0_peer_certificate(ssl_))
    refused_certificate_ = "its key is not there: " + reason();
}

std::string tls_end::say(std::string_view text) {
  ERR_clear_error();
  if (!text.empty() && SSL_write(ssl_, text.data(), static_cast<int>(text.size())) <= 0) over_ = true;
  return unsent();
}

std::string tls_end::farewell() {
  ERR_clear_error();
  if (is_shaken() && !over_) SSL_shutdown(ssl_);
  return unsent();
}

std::string tls_end::unsent() {
  auto* out = SSL_get_wbio(ssl_);
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

bool tls_end::is_shaken() const {
  return SSL_is_init_finished(ssl_) == 1;
}

std::optional<peer_certificate> tls_end::shown() const {
  const auto* certificate = is_shaken() ? SSL_get0_peer_certificate(ssl_) : nullptr;
  if (!certificate || SSL_get_verify_result(ssl_) != X509_V_OK) return {};
  return peer_certificate{names_in(*certificate), end_of(*certificate)};
}

bool tls_end::is_good_by(const tls_identity& other) const {
  auto* certificate = is_shaken() ? SSL_get0_peer_certificate(ssl_) : nullptr;
  if (!certificate || SSL_get_SSL_CTX(ssl_) == other.context()) return true;
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> verifying(X509_STORE_CTX_new(),
                                                                                  X509_STORE_CTX_free);
  const bool is_good = verifying &&
                       X509_STORE_CTX_init(verifying.get(), SSL_CTX_get_cert_store(other.context()), certificate,
                                           SSL_get_peer_cert_chain(ssl_)) == 1 &&
                       X509_STORE_CTX_set_default(verifying.get(), "ssl_client") == 1 &&
                       X509_verify_cert(verifying.get()) == 1;
  ERR_clear_error();
  return is_good;
}

}  // namespace amc::http
