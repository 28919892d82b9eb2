#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <thread>

#include "api/configuration.hpp"
#include "core/loop.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "tests/benchmarks/probes/probe.hpp"
#include "tests/support/configured.hpp"

namespace amc::benchmarks {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::use_awaitable;
using asio::ip::tcp;

constexpr const char* question = R"({"message":"Hi, "})";
constexpr const char* reply_text =
    R"({"id":"019ab2c4-5c0e-7000-b1e3-2f5d1c2a9b70","message":"Hi, Micha. Bye!","revision":3,"status":"done"})";

/// An Asio and Beast server as in Beast's examples, with a body that never changes.
class raw_server {
 public:
  raw_server() {
    asio::co_spawn(context_, accept(), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~raw_server() {
    context_.stop();
    thread_.join();
  }

  tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

 private:
  task<void> accept() {
    for (;;) {
      auto connected = co_await acceptor_.async_accept(use_awaitable);
      connected.set_option(tcp::no_delay(true));
      asio::co_spawn(context_, serve(std::move(connected)), asio::detached);
    }
  }

  static task<void> serve(tcp::socket socket) {
    beast::flat_buffer buffer;
    for (;;) {
      beast::http::request<beast::http::string_body> asked;
      co_await beast::http::async_read(socket, buffer, asked, use_awaitable);
      beast::http::response<beast::http::string_body> reply(beast::http::status::ok, 11);
      reply.set(beast::http::field::content_type, "application/json");
      reply.body() = reply_text;
      reply.prepare_payload();
      co_await beast::http::async_write(socket, reply, use_awaitable);
    }
  }

  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  std::thread thread_;
};

task<void> raw_requests(tcp::endpoint to, std::size_t count, std::size_t& answered) {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(to, use_awaitable);
  socket.set_option(tcp::no_delay(true));
  beast::flat_buffer buffer;
  for (std::size_t i = 0; i < count; ++i) {
    beast::http::request<beast::http::string_body> asked(beast::http::verb::post, "/", 11);
    asked.set(beast::http::field::host, "127.0.0.1");
    asked.set(beast::http::field::content_type, "application/json");
    asked.body() = question;
    asked.prepare_payload();
    co_await beast::http::async_write(socket, asked, use_awaitable);
    beast::http::response<beast::http::string_body> reply;
    co_await beast::http::async_read(socket, buffer, reply, use_awaitable);
    if (reply.body() == reply_text) ++answered;
  }
}

double raw_round(const raw_server& server, std::size_t count, std::size_t connections) {
  asio::io_context context{1};
  std::size_t answered = 0;
  for (std::size_t i = 0; i < connections; ++i)
    asio::co_spawn(context, raw_requests(server.endpoint(), count / connections, answered), asio::detached);
  const stopwatch watch;
  context.run();
  const auto seconds = watch.seconds();
  require(answered == count, "raw http: an answer was wrong");
  return seconds;
}

/// The project's server and client, with a handler that only answers.
class amc_http {
 public:
  amc_http() {
    serving_.run([this] {
      server_ = std::make_unique<http::server>(
          serving_.env(), api::server_options_from(tests::configured({"broker.http.port=0"})), answer, fault);
      server_->run();
    });
    http::client_options options;
    options.url = server_->url();
    client_ = http::make_client(asking_.env(), options);
  }
  ~amc_http() {
    asking_.run([this] { client_.reset(); });
    serving_.run(server_->stop(milliseconds(1'000)));
    serving_.run([this] { server_.reset(); });
  }

  double round(std::size_t count, std::size_t connections) {
    std::size_t answered = 0;
    const stopwatch watch;
    asking_.run(ask_all(count, connections, answered));
    const auto seconds = watch.seconds();
    require(answered == count, "http: an answer was wrong");
    return seconds;
  }

 private:
  static task<http::response> answer(const http::request& asked) {
    http::response reply{200, {{"Content-Type", "application/json"}}, {}};
    if (asked.body == question) reply.body = reply_text;
    co_return reply;
  }
  static http::response fault(int status, const std::string& detail, std::string_view) { return {status, {}, detail}; }

  task<void> ask_all(std::size_t count, std::size_t connections, std::size_t& answered) {
    task_group asking(asking_.executor());
    for (std::size_t i = 0; i < connections; ++i) asking.spawn(ask(count / connections, answered));
    co_await asking.drain();
  }

  task<void> ask(std::size_t count, std::size_t& answered) {
    for (std::size_t i = 0; i < count; ++i) {
      http::request asked{"POST", "/", {{"Content-Type", "application/json"}}, question};
      const auto reply = co_await client_->send(std::move(asked), milliseconds(10'000));
      if (reply.body == reply_text) ++answered;
    }
  }

  loop serving_{"server"};
  loop asking_{"client"};
  std::unique_ptr<http::server> server_;
  std::shared_ptr<http::caller> client_;
};

}  // namespace

std::vector<probe> http_probes(std::size_t count, std::size_t connections) {
  const auto raw = std::make_shared<raw_server>();
  const auto driver = std::make_shared<amc_http>();
  return {{"http request", [=] { return raw_round(*raw, count, connections); },
           [=] { return driver->round(count, connections); }}};
}

}  // namespace amc::benchmarks
