#include <gmock/gmock.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "core/config.hpp"
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

TEST_F(HttpClient, ReadsTheAnswerOfAServerThatClosesBeforeAllOfTheRequestHasCome) {
  request asked{"POST", "/x", {}, std::string(64 << 20, 'x')};
  reply_ = world_.start(client_->send(std::move(asked), milliseconds(1'000)));
  server_ = listener_.accept();
  until([&] { return server_->readable(); });
  say("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlong");
  server_.reset();
  until([&] { return reply_->has_value(); });
  EXPECT_EQ((*reply_)->status, 413);
  EXPECT_EQ((*reply_)->body, "long");
}

std::string complaint(const std::string& url) {
  tests::manual_environment world;
  client_options options;
  options.url = url;
  try {
    make_client(world.env(), options);
  } catch (const config_error& wrong) {
    return wrong.what();
  }
  return "none";
}

TEST(HttpClientUrl, ThatCannotBeUsedIsAComplaintAboutTheConfiguration) {
  for (const auto* bad : {"http://127.0.0.1:65536", "http://127.0.0.1:69536", "http://127.0.0.1:99999999999999999999",
                          "http://127.0.0.1:0", "http://127.0.0.1:", "http://127.0.0.1:x", "ftp://127.0.0.1",
                          "127.0.0.1:4000", "http://", "http://a/?x", "http://a/#x", "http://[::1", "http://u:p@a"})
    EXPECT_THAT(complaint(bad), testing::StartsWith("consumer_services.broker_client.url: ")) << bad;
  EXPECT_THAT(complaint("http://127.0.0.1:65536"), testing::HasSubstr("from 1 to 65535"));
}

TEST(HttpClientUrl, ThatCanBeUsed) {
  for (const auto* good :
       {"http://127.0.0.1", "HTTP://a:1", "https://a", "http://a:65535/", "http://[::1]:4000", "http://a/caf%C3%A9/"})
    EXPECT_EQ(complaint(good), "none") << good;
}

/// Names are looked up by the test.
class HttpClientName : public testing::Test {
 protected:
  /// Lasts until the test answers.
  struct name_server {
    std::mutex mutex;
    std::condition_variable changed;
    int asked = 0;
    bool answers = false;

    void answer() {
      const std::lock_guard lock(mutex);
      answers = true;
      changed.notify_all();
    }
  };

  HttpClientName() {
    client_options options;
    options.url = "http://somewhere:" + std::to_string(listener_.port());
    options.look_up = [server = server_, port = listener_.port()](const std::string&, const std::string&) {
      std::unique_lock lock(server->mutex);
      ++server->asked;
      server->changed.notify_all();
      server->changed.wait(lock, [&] { return server->answers; });
      addresses all;
      all.found.emplace_back(boost::asio::ip::address_v4::loopback(), port);
      return all;
    };
    client_ = make_client(world_.env(), options);
  }

  ~HttpClientName() override { server_->answer(); }

  /// What became of a request, in words.
  std::shared_ptr<std::optional<std::string>> ask() {
    return world_.start([](std::shared_ptr<caller> client) -> task<std::string> {
      request asked{"GET", "/x"};
      try {
        const auto reply = co_await client->send(std::move(asked), milliseconds(1'000));
        co_return std::to_string(reply.status);
      } catch (const unavailable& failed) {
        co_return (failed.why() == unavailable::reason::away ? "away: " : "else: ") + std::string(failed.what());
      }
    }(client_));
  }

  void until_asked() {
    std::unique_lock lock(server_->mutex);
    server_->changed.wait(lock, [&] { return server_->asked > 0; });
  }

  tests::raw_listener listener_;
  std::shared_ptr<name_server> server_ = std::make_shared<name_server>();
  tests::manual_environment world_;
  std::shared_ptr<caller> client_;
};

TEST_F(HttpClientName, ThatCannotBeLookedUpInTimeIsNotWaitedFor) {
  const auto told = ask();
  until_asked();
  world_.advance(milliseconds(1'000));
  ASSERT_TRUE(told->has_value());
  EXPECT_THAT(**told,
              testing::MatchesRegex("away: http://somewhere:[0-9]+: its name could not be looked up within 1000 ms"));
  const auto again = ask();
  world_.advance(milliseconds(1'000));
  ASSERT_TRUE(again->has_value());
  const std::lock_guard lock(server_->mutex);
  EXPECT_EQ(server_->asked, 1) << "one thread waits, however many ask";
}

TEST_F(HttpClientName, MayBecomeKnownWhenNobodyIsThereAnyMore) {
  const auto told = ask();
  until_asked();
  world_.advance(milliseconds(1'000));
  ASSERT_TRUE(told->has_value());
  client_.reset();
  server_->answer();
}

TEST_F(HttpClientName, IsTold) {
  const auto told = ask();
  const auto other = ask();
  until_asked();
  EXPECT_FALSE(told->has_value());
  server_->answer();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto settle_until = [&](const auto& condition) {
    do {
      world_.settle();
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waits for something that never comes";
    } while (!condition());
  };
  std::vector<std::unique_ptr<tests::raw_connection>> links;
  for (int i = 0; i < 2; ++i) {
    auto accepted = std::async(std::launch::async, [&] { return listener_.accept(); });
    settle_until([&] { return accepted.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    links.push_back(accepted.get());
    settle_until([&] { return links.back()->readable(); });
    links.back()->send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  }
  settle_until([&] { return told->has_value() && other->has_value(); });
  EXPECT_EQ(**told, "200");
}

TEST_F(HttpClient, TakesAnswersAsLargeAsTheLargestMessageMakesThem) {
  // A message of a megabyte, each of its bytes written as six.
  const auto body = std::string(6 << 20, 'x');
  ask();
  std::thread sender(
      [&] { server_->send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body); });
  until([&] { return reply_->has_value(); });
  sender.join();
  EXPECT_EQ((*reply_)->body.size(), body.size());
}

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
