#include "http/client.hpp"

#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/url/parse.hpp>
#include <deque>
#include <stdexcept>

#include "core/config.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "core/watched_files.hpp"

namespace amc::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

class connection {
 public:
  explicit connection(const asio::any_io_executor& executor) : socket(executor) {}

  /// The peer has closed it, or sent something that nobody asked for.
  bool unusable() {
    char byte = 0;
    const auto got = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }

  tcp::socket socket;
  std::shared_ptr<asio::ssl::context> secured;
  std::unique_ptr<asio::ssl::stream<tcp::socket&>> tls;  ///< null: plain HTTP
  std::shared_ptr<one_shot<addresses>> looked_up;        ///< while its name is looked up
  beast::flat_buffer buffer;
  timers::time_point idle_since{};
};

/// What ends a line would make two headers of one.
bool has_line_end(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

void check_lines_of(const request& asked) {
  bool is_whole = !has_line_end(asked.method) && !has_line_end(asked.target);
  for (const auto& [name, value] : asked.headers) is_whole = is_whole && !has_line_end(name) && !has_line_end(value);
  if (!is_whole)
    throw std::invalid_argument("a request for " + escaped(asked.target) + " has a header with a line end");
}

class pooled_client : public caller, public std::enable_shared_from_this<pooled_client> {
 public:
  pooled_client(const environment& env, client_options options) : env_(env), options_(std::move(options)) {
    const auto complain = [this](const std::string& what) {
      throw config_error(options_.keys + ".url: \"" + mask_url(options_.url) + "\" " + what);
    };
    const auto url = boost::urls::parse_uri(options_.url);
    const bool secure = url && same_ignoring_case(url->scheme(), "https");
    if (!url || !(secure || same_ignoring_case(url->scheme(), "http")) || url->host().empty())
      complain("is not a URL like http://127.0.0.1:4000 or https://broker.example");
    if (url->has_userinfo()) complain("holds credentials, and AMC sends none: leave them out");
    if (url->has_query() || url->has_fragment()) complain("has a query or a fragment, which have no meaning here");
    host_ = url->host_address();
    port_ = url->has_port() ? port_in(url->port()) : secure ? std::uint16_t{443} : std::uint16_t{80};
    if (port_ == 0) complain("has a port that is not a number from 1 to 65535");
    authority_ = std::string(url->encoded_host());
    if (url->has_port()) authority_ += ":" + std::to_string(port_);
    prefix_ = std::string(url->encoded_path());
    if (prefix_.ends_with('/')) prefix_.pop_back();
    if (options_.certificate_file.empty() != options_.key_file.empty())
      throw config_error(options_.keys + ".certificate_file: give both, it and key_file, or neither");
    if (secure) {
      secured_ = security();
      watched_.emplace(env, std::vector{options_.certificate_file, options_.key_file}, [this] { read_again(); });
    }
    names_.emplace(env.executor, host_, std::to_string(port_), options_.look_up);
  }

  task<response> send(request asked, milliseconds timeout) override {
    check_lines_of(asked);
    const auto keep_alive = shared_from_this();
    auto link = kept();
    if (!link) link = std::make_shared<connection>(env_.executor);
    bool late = false, sent = false;
    const auto timer = env_.timers->start(timeout, [link, &late] {
      late = true;
      error_code ignored;
      link->socket.close(ignored);
      if (link->looked_up) link->looked_up->set(addresses{});
    });
    try {
      if (!link->socket.is_open()) co_await connect(*link, late);
      sent = true;
      auto reply = co_await exchange(link, asked);
      co_return reply;
    } catch (const boost::system::system_error& failed) {
      if (failed.code() == too_large)
        throw answer_too_large(
            server() + ": the answer to " + asked.method + " " + asked.target + " is larger than " +
            std::to_string(options_.answer_max_bytes) +
            " bytes: set broker.message_max_bytes and broker.claims_max_bytes here as the broker has them");
      throw unavailable(sent ? unavailable::reason::outcome_unknown : unavailable::reason::away,
                        server() + ": " + (late ? no_answer(*link, timeout) : failed.code().message()));
    }
  }

 private:
  /// Whom it takes for the server, and what it shows who it is with. Throws config_error.
  std::shared_ptr<asio::ssl::context> security() const {
    auto made = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    made->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
    made->set_verify_mode(asio::ssl::verify_peer);
    error_code failed;
    const auto expect_done = [&](const char* key, const std::string& file) {
      if (failed) throw config_error(options_.keys + key + ": \"" + file + "\": " + failed.message());
    };
    if (options_.ca_file.empty())
      made->set_default_verify_paths(failed);
    else
      made->load_verify_file(options_.ca_file, failed);
    expect_done(".ca_file", options_.ca_file);
    if (options_.certificate_file.empty()) return made;
    made->use_certificate_chain_file(options_.certificate_file, failed);
    expect_done(".certificate_file", options_.certificate_file);
    made->use_private_key_file(options_.key_file, asio::ssl::context::pem, failed);
    expect_done(".key_file", options_.key_file);
    return made;
  }

  void read_again() try { secured_ = security(); } catch (const config_error& wrong) {
    log::error("http", std::string("the certificate to show stays as it was: ") + wrong.what());
  }

  void look_at_files() {
    constexpr milliseconds interval{1'000};
    if (env_.timers->now() - looked_ < interval) return;
    looked_ = env_.timers->now();
    watched_->look();
  }

  std::string server() const { return (secured_ ? "https://" : "http://") + authority_; }

  static constexpr auto too_large = beast::http::error::body_limit;

  static std::string no_answer(const connection& link, milliseconds timeout) {
    const auto within = "within " + std::to_string(timeout.count()) + " ms";
    return link.looked_up ? "its name could not be looked up " + within : "no answer " + within;
  }

  std::shared_ptr<connection> kept() {
    while (!idle_.empty()) {
      auto link = std::move(idle_.back());
      idle_.pop_back();
      if (env_.timers->now() - link->idle_since < options_.idle_timeout && !link->unusable()) return link;
    }
    return nullptr;
  }

  task<void> connect(connection& link, const bool& late) {
    error_code not_literal;
    const auto address = asio::ip::make_address(host_, not_literal);
    if (!not_literal) {
      const tcp::endpoint endpoint(address, port_);
      co_await link.socket.async_connect(endpoint, asio::use_awaitable);
    } else {
      link.looked_up = std::make_shared<one_shot<addresses>>(env_.executor);
      names_->tell(link.looked_up);
      const auto all = co_await link.looked_up->wait();
      if (late) throw boost::system::system_error(asio::error::timed_out);
      link.looked_up.reset();
      if (!all.failed.empty()) throw unavailable(unavailable::reason::away, server() + ": " + all.failed);
      co_await asio::async_connect(link.socket, all.found, asio::use_awaitable);
    }
    link.socket.set_option(tcp::no_delay(true));
    if (secured_) co_await secure(link, not_literal.failed());
  }

  task<void> secure(connection& link, bool is_name) {
    look_at_files();
    link.secured = secured_;
    link.tls = std::make_unique<asio::ssl::stream<tcp::socket&>>(link.socket, *link.secured);
    if (is_name) SSL_set_tlsext_host_name(link.tls->native_handle(), host_.c_str());
    link.tls->set_verify_callback(asio::ssl::host_name_verification(host_));
    co_await link.tls->async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
  }

  task<response> exchange(std::shared_ptr<connection> link, const request& asked) {
    if (link->tls) co_return co_await exchange_over(*link->tls, link, asked);
    co_return co_await exchange_over(link->socket, link, asked);
  }

  template <class Stream>
  task<response> exchange_over(Stream& stream, std::shared_ptr<connection> link, const request& asked) {
    const auto bytes = serialized(asked);
    error_code not_sent, not_read;
    co_await asio::async_write(stream, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, not_sent));
    beast::http::response_parser<beast::http::string_body> parsed;
    parsed.body_limit(options_.answer_max_bytes);
    parsed.skip(asked.method == "HEAD");
    // Who refuses a request may close before all of it has come: the answer is there all the same.
    co_await beast::http::async_read(stream, link->buffer, parsed, asio::redirect_error(asio::use_awaitable, not_read));
    if (not_read) throw boost::system::system_error(not_sent && not_read != too_large ? not_sent : not_read);
    auto& message = parsed.get();
    response reply;
    reply.status = static_cast<int>(message.result_int());
    for (const auto& field : message) reply.headers.add(std::string(field.name_string()), std::string(field.value()));
    reply.body = std::move(message.body());
    if (!not_sent && message.keep_alive() && idle_.size() < options_.idle_max && link->socket.is_open()) {
      link->idle_since = env_.timers->now();
      idle_.push_back(std::move(link));
    }
    co_return reply;
  }

  std::string serialized(const request& asked) const {
    std::string out;
    out.reserve(256 + asked.body.size());
    out.append(asked.method).append(" ").append(prefix_).append(asked.target).append(" HTTP/1.1\r\nHost: ");
    out.append(authority_);
    for (const auto& [name, value] : asked.headers) out.append("\r\n").append(name).append(": ").append(value);
    if (!asked.body.empty()) out += "\r\nContent-Type: application/json";
    if (!asked.body.empty() || asked.method == "POST" || asked.method == "PUT")
      out += "\r\nContent-Length: " + std::to_string(asked.body.size());
    out += "\r\n\r\n";
    out += asked.body;
    return out;
  }

  environment env_;
  client_options options_;
  std::string host_, authority_, prefix_;
  std::uint16_t port_ = 0;
  std::shared_ptr<asio::ssl::context> secured_;  ///< over TLS
  std::optional<watched_files> watched_;         ///< what it shows
  timers::time_point looked_{};
  std::optional<name_look_up> names_;
  std::deque<std::shared_ptr<connection>> idle_;
};

}  // namespace

std::shared_ptr<caller> make_client(const environment& env, client_options options) {
  return std::make_shared<pooled_client>(env, std::move(options));
}

}  // namespace amc::http
