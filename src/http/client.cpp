#include "http/client.hpp"

#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/url/parse.hpp>
#include <deque>

#include "amc/config.hpp"
#include "amc/error.hpp"

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
  beast::flat_buffer buffer;
  timers::time_point idle_since{};
};

class pooled_client : public caller, public std::enable_shared_from_this<pooled_client> {
 public:
  pooled_client(const environment& env, client_options options) : env_(env), options_(std::move(options)) {
    const auto url = boost::urls::parse_uri(options_.url);
    if (!url || url->scheme() != "http" || url->host().empty())
      throw config_error("consumer_services.broker_client.url: \"" + mask_url(options_.url) +
                         "\" is not a URL like http://127.0.0.1:4000");
    if (url->has_userinfo())
      throw config_error("consumer_services.broker_client.url: \"" + mask_url(options_.url) +
                         "\" holds credentials, and AMC sends none: leave them out");
    host_ = url->host_address();
    port_ = url->has_port() ? std::string(url->port()) : "80";
    authority_ = std::string(url->encoded_host_and_port());
    prefix_ = std::string(url->encoded_path());
    if (prefix_.ends_with('/')) prefix_.pop_back();
  }

  task<response> send(request asked, milliseconds timeout) override {
    const auto keep_alive = shared_from_this();
    auto link = kept();
    if (!link) link = std::make_shared<connection>(env_.executor);
    bool late = false, sent = false;
    const auto timer = env_.timers->start(timeout, [link, &late] {
      late = true;
      error_code ignored;
      link->socket.close(ignored);
    });
    try {
      if (!link->socket.is_open()) co_await connect(*link, late);
      sent = true;
      auto reply = co_await exchange(link, asked);
      co_return reply;
    } catch (const boost::system::system_error& failed) {
      if (failed.code() == beast::http::error::body_limit)
        throw answer_too_large("http://" + authority_ + ": the answer to " + asked.method + " " + asked.target +
                               " is larger than " + std::to_string(options_.body_max_bytes) + " bytes");
      throw unavailable(
          sent ? unavailable::reason::outcome_unknown : unavailable::reason::away,
          "http://" + authority_ + ": " +
              (late ? "no answer within " + std::to_string(timeout.count()) + " ms" : failed.code().message()));
    }
  }

 private:
  std::shared_ptr<connection> kept() {
    while (!idle_.empty()) {
      auto link = std::move(idle_.back());
      idle_.pop_back();
      if (env_.timers->now() - link->idle_since < options_.idle_timeout && !link->unusable()) return link;
    }
    return nullptr;
  }

  task<void> connect(connection& link, const bool& late) {
    // A literal address needs no resolver, whose thread a short-lived process would wait for.
    error_code not_literal;
    const auto address = asio::ip::make_address(host_, not_literal);
    if (!not_literal) {
      const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(std::stoi(port_)));
      co_await link.socket.async_connect(endpoint, asio::use_awaitable);
    } else {
      tcp::resolver resolver(env_.executor);
      const auto found = co_await resolver.async_resolve(host_, port_, asio::use_awaitable);
      if (late) throw boost::system::system_error(asio::error::timed_out);
      co_await asio::async_connect(link.socket, found, asio::use_awaitable);
    }
    link.socket.set_option(tcp::no_delay(true));
  }

  task<response> exchange(std::shared_ptr<connection> link, const request& asked) {
    const auto bytes = serialized(asked);
    co_await asio::async_write(link->socket, asio::buffer(bytes), asio::use_awaitable);
    beast::http::response_parser<beast::http::string_body> parsed;
    parsed.body_limit(options_.body_max_bytes);
    parsed.skip(asked.method == "HEAD");
    co_await beast::http::async_read(link->socket, link->buffer, parsed, asio::use_awaitable);
    auto& message = parsed.get();
    response reply;
    reply.status = static_cast<int>(message.result_int());
    for (const auto& field : message) reply.headers.add(std::string(field.name_string()), std::string(field.value()));
    reply.body = std::move(message.body());
    if (message.keep_alive() && idle_.size() < options_.idle_max && link->socket.is_open()) {
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
  std::string host_, port_, authority_, prefix_;
  std::deque<std::shared_ptr<connection>> idle_;
};

}  // namespace

std::shared_ptr<caller> make_client(const environment& env, client_options options) {
  return std::make_shared<pooled_client>(env, std::move(options));
}

}  // namespace amc::http
