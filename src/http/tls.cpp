#include "http/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <new>

#include "core/error.hpp"

namespace amc::http {
namespace {

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
  ERR_clear_error();
  return 0;
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

}  // namespace amc::http
