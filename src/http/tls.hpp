#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace amc::http {

/// In PEM.
struct tls_files {
  std::string certificate{};  ///< with those that lead to its authority behind it
  std::string key{};
  std::string client_ca{};  ///< the authorities of clients' certificates; empty: these are not asked for
  std::string revoked{};    ///< a list of revoked certificates (CRL) of each of these authorities; empty: none is
};

/// What a server shows who it is with, and whom it believes who they are, as it was read once; never changed. TLS 1.2
/// and 1.3.
class tls_identity {
 public:
  /// Throws config_error for files that cannot be read, for a key that is not the certificate's, and for lists of
  /// revoked certificates that are not those of the authorities.
  explicit tls_identity(const tls_files& files);
  ~tls_identity();
  tls_identity(const tls_identity&) = delete;
  tls_identity& operator=(const tls_identity&) = delete;

  ssl_ctx_st* context() const { return context_; }

 private:
  ssl_ctx_st* context_;
};

/// The server's end of one TLS connection, as logic without I/O. Holds no more than what was heard and not read. For
/// one thread.
class tls_end {
 public:
  explicit tls_end(const tls_identity& as);
  ~tls_end();
  tls_end(const tls_end&) = delete;
  tls_end& operator=(const tls_end&) = delete;

  /// What has come.
  void hear(std::string_view encrypted);
  /// Of that, decrypted; 0: no more is there yet. To be called after `hear`, also to get on with the handshake.
  std::size_t read(char* to, std::size_t room);
  /// What is to be sent for a text, and for whatever else there is to be sent.
  std::string say(std::string_view text);
  std::string farewell();
  /// What the handshake has to send.
  std::string unsent();

  bool is_shaken() const;
  /// What the client has shown in its handshake; nothing where it has shown none.
  std::optional<peer_certificate> shown() const;
  /// Whether the certificate that the client has shown is good by this identity too. Also where it has shown none.
  bool is_good_by(const tls_identity& other) const;
  /// Why the certificate that the client has shown ended the handshake; empty: it did not.
  const std::string& refused_certificate() const { return refused_certificate_; }
  /// Nothing more will be read: the peer has said farewell, or what it sent is not TLS as it is spoken here.
  bool is_over() const { return over_; }

 private:
  void fail();

  ssl_st* ssl_;
  std::string refused_certificate_;
  bool over_ = false;
};

}  // namespace amc::http
