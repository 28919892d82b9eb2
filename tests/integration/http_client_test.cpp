#include <gmock/gmock.h>

#include "http/client.hpp"
#include "tests/support/manual_environment.hpp"
#include "tests/support/raw_http.hpp"

/// The HTTP client against a server that sends whatever the test says.
namespace amc::http {
namespace {

class HttpClient : public testing::Test {
 protected:
  HttpClient() {
    client_options options;
    options.url = "http://127.0.0.1:" + std::to_string(listener_.port());
    client_ = make_client(world_.env(), options);
  }

  /// Sends a request and takes its connection; the answer is for the test to write.
  void ask() {
    request asked{"GET", "/x"};
    reply_ = world_.start(client_->send(std::move(asked), milliseconds(1'000)));
    server_ = listener_.accept();
    until([&] { return server_->readable(); });
  }

  template <class Condition>
  void until(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    do {
      world_.settle();
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waits for something that never comes";
    } while (!condition());
  }

  /// Sends, and returns when the client has taken it in.
  void say(const std::string& bytes) {
    server_->send(bytes);
    until([&] { return server_->delivered(); });
    world_.settle();
  }

  tests::manual_environment world_;
  tests::raw_listener listener_;
  std::shared_ptr<caller> client_;
  std::unique_ptr<tests::raw_connection> server_;
  std::shared_ptr<std::optional<response>> reply_;
};

TEST_F(HttpClient, TakesAnAnswerByteByByte) {
  ask();
  for (const char byte : std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) say(std::string(1, byte));
  until([&] { return reply_->has_value(); });
  EXPECT_EQ((*reply_)->body, "ok");
}

TEST_F(HttpClient, TakesAChunkedAnswerByteByByte) {
  ask();
  for (const char byte : std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
    say(std::string(1, byte));
  until([&] { return reply_->has_value(); });
  EXPECT_EQ((*reply_)->body, "ok");
}

TEST_F(HttpClient, TakesAnEmptyChunkedAnswerByteByByte) {
  ask();
  for (const char byte : std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
    say(std::string(1, byte));
  until([&] { return reply_->has_value(); });
  EXPECT_EQ((*reply_)->body, "");
}

TEST_F(HttpClient, AnAnswerThatIsLargerThanItTakesIsSaidToBeThat) {
  ask();
  server_->send("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
  EXPECT_THROW(until([&] { return reply_->has_value(); }), answer_too_large);
}

}  // namespace
}  // namespace amc::http
