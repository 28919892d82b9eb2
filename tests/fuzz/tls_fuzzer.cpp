#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstdint>

#include "http/tls.hpp"
#include "tests/fuzz/expect.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/temporary_folder.hpp"

/// What comes to the server's end of a TLS connection: bytes of strangers; or those of a client, some of them changed
/// on their way. The server goes on or ends the connection, and says no more than it was asked.
namespace amc::fuzz {
namespace {

const http::tls_identity& server() {
  static const tests::temporary_folder folder;
  static const auto made = [] {
    tests::authority(folder.path, "authority").sign("server", "DNS:localhost");
    http::tls_files files;
    files.certificate = (folder.path / "server.pem").string();
    files.key = (folder.path / "server.key").string();
    return std::make_unique<http::tls_identity>(files);
  }();
  return *made;
}

constexpr std::size_t room = 16'384;

/// What it says to this.
std::string hear(http::tls_end& end, std::string_view bytes) {
  const bool was_over = end.is_over();
  end.hear(bytes);
  std::string text(room, '\0');
  while (end.read(text.data(), room) > 0) {
  }
  expect(end.is_over() || !was_over, "what is over stays so");
  auto said = end.unsent();
  // A certificate, a key exchange, alerts.
  expect(said.size() < 65'536, "it says no more than a handshake");
  return said;
}

void hear_a_stranger(std::string_view bytes) {
  http::tls_end end(server());
  for (std::size_t at = 0, part = 1; at < bytes.size() && !end.is_over(); at += part, part = part * 2 + 1)
    hear(end, bytes.substr(at, part));
  end.farewell();
}

/// Each three bytes of the changes: how many bytes of the client go by (two), and what the next one is mixed with.
class changing_way {
 public:
  explicit changing_way(std::string_view changes) : changes_(changes) {}
  void pass(std::string& bytes) {
    for (char& byte : bytes) {
      if (changes_.size() < 3) return;
      const auto wait = static_cast<unsigned char>(changes_[0]) * 256U + static_cast<unsigned char>(changes_[1]);
      if (passed_++ < wait) continue;
      byte = static_cast<char>(byte ^ changes_[2]);
      changes_.remove_prefix(3);
      passed_ = 0;
    }
  }

 private:
  std::string_view changes_;
  std::size_t passed_ = 0;
};

std::string taken(SSL* client) {
  auto* out = SSL_get_wbio(client);
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

void hear_a_client(std::string_view changes) {
  static const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> as(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  const std::unique_ptr<SSL, decltype(&SSL_free)> client(SSL_new(as.get()), SSL_free);
  SSL_set_bio(client.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(client.get());
  http::tls_end end(server());
  changing_way way(changes);
  constexpr int rounds = 6;
  for (int i = 0; i < rounds && !end.is_over(); ++i) {
    if (SSL_do_handshake(client.get()) == 1) SSL_write(client.get(), "GET / HTTP/1.1\r\n\r\n", 18);
    auto bytes = taken(client.get());
    way.pass(bytes);
    const auto said = hear(end, bytes);
    BIO_write(SSL_get_rbio(client.get()), said.data(), static_cast<int>(said.size()));
  }
  ERR_clear_error();
}

}  // namespace
}  // namespace amc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace amc;
  auto bytes = fuzz::text_of(data, size);
  if (bytes.empty()) return 0;
  const bool from_a_client = bytes.front() == 'c';
  bytes.remove_prefix(1);
  if (from_a_client)
    fuzz::hear_a_client(bytes);
  else
    fuzz::hear_a_stranger(bytes);
  return 0;
}
