#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <optional>
#include <string>

namespace amc::tests {

/// One kept connection that trusts one authority alone.
class tls_client {
 public:
  /// `shows`: its own certificate is in SHOWS.pem, the key in SHOWS.key; empty: it has none.
  tls_client(std::uint16_t port, const std::string& ca_file, int version_max = TLS1_3_VERSION,
             const std::string& shows = "")
      : tls_client(port, ca_file, version_max, [&](SSL_CTX* own) {
          if (shows.empty()) return;
          SSL_CTX_use_certificate_file(own, (shows + ".pem").c_str(), SSL_FILETYPE_PEM);
          SSL_CTX_use_PrivateKey_file(own, (shows + ".key").c_str(), SSL_FILETYPE_PEM);
        }) {}
  tls_client(std::uint16_t port, const std::string& ca_file, int version_max,
             const std::function<void(SSL_CTX*)>& prepare) {
    context_.load_verify_file(ca_file);
    context_.set_verify_mode(boost::asio::ssl::verify_peer);
    SSL_CTX_set_max_proto_version(context_.native_handle(), version_max);
    prepare(context_.native_handle());
    stream_.emplace(io_, context_);
    stream_->lowest_layer().connect({boost::asio::ip::make_address("127.0.0.1"), port});
    stream_->handshake(boost::asio::ssl::stream_base::client);
  }

  /// The header and the body of the answer.
  std::string ask(const std::string& method, const std::string& target, const std::string& body = "") {
    boost::asio::write(*stream_,
                       boost::asio::buffer(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                                           std::to_string(body.size()) + "\r\n\r\n" + body));
    const auto header = boost::asio::read_until(*stream_, boost::asio::dynamic_buffer(got_), "\r\n\r\n");
    const auto field = got_.find("Content-Length: ") + std::string_view("Content-Length: ").size();
    const auto whole = header + std::stoul(got_.substr(field));
    if (got_.size() < whole)
      boost::asio::read(*stream_, boost::asio::dynamic_buffer(got_),
                        boost::asio::transfer_exactly(whole - got_.size()));
    return std::exchange(got_, {});
  }

  std::string serial() {
    auto* shown = SSL_get1_peer_certificate(stream_->native_handle());
    const auto number = std::to_string(ASN1_INTEGER_get(X509_get_serialNumber(shown)));
    X509_free(shown);
    return number;
  }

  /// Whether the server takes part in another handshake of this connection.
  bool renegotiates() {
    auto* ssl = stream_->native_handle();
    if (SSL_renegotiate(ssl) != 1) return false;
    boost::system::error_code failed;
    stream_->handshake(boost::asio::ssl::stream_base::client, failed);
    return !failed;
  }

 private:
  boost::asio::io_context io_;
  boost::asio::ssl::context context_{boost::asio::ssl::context::tls_client};
  std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket>> stream_;
  std::string got_;
};

}  // namespace amc::tests
