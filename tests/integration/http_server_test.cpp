#include <gmock/gmock.h>

#include "api/configuration.hpp"
#include "core/error.hpp"
#include "http/server.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/manual_environment.hpp"
#include "tests/support/raw_http.hpp"

/// The HTTP server over real sockets, with its time in the test's hands: deadlines are exact, and nothing sleeps.
namespace amc::http {
namespace {

using tests::raw_connection;

class HttpServer : public testing::Test {
 protected:
  ~HttpServer() override {
    if (server_) world_.run(server_->stop(milliseconds(0)));
  }

  void start() {
    server_ = std::make_unique<server>(
        world_.env(), options_, [this](request& asked) { return handle(asked); },
        [](int status, std::string detail, std::string_view) {
          response reply{status, {}, std::move(detail)};
          return reply;
        });
    server_->run();
    const auto url = server_->url();
    port_ = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }

  task<response> handle(request& asked) {
    ++handled_;
    if (absent_) throw *absent_;
    if (asked.target == "/throw") throw 7;
    if (asked.target == "/drop") asked.drop_body();
    response reply{200, {}, asked.method + " " + asked.target + " " + asked.body};
    if (asked.target == "/large") reply.body.assign(large_size, 'x');
    if (asked.target == "/park" || asked.target == "/drop") co_await park(asked);
    co_return reply;
  }

  /// Until the test lets it go, or who asked has gone.
  task<void> park(const request& asked) {
    parked_ = std::make_shared<one_shot<bool>>(world_.env().executor);
    if (asked.from->gone()) co_return;
    asked.from->wakes(parked_);
    left_ = !co_await parked_->wait();
  }

  template <class Condition>
  void until(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    do {
      world_.settle();
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waits for something that never comes";
    } while (!condition());
  }

  std::unique_ptr<raw_connection> connect() { return std::make_unique<raw_connection>(port_); }

  /// Sends, and returns when the server has taken it all in.
  void send(const raw_connection& link, const std::string& bytes) {
    link.send(bytes);
    until([&] { return link.delivered(); });
    world_.settle();
  }

  int status_of_next(raw_connection& link) {
    until([&] { return link.readable(); });
    return link.read().status;
  }

  bool ends(raw_connection& link) {
    until([&] { return link.readable(); });
    return link.closed();
  }

  /// Passes, and whether the server has said or closed anything by then.
  bool silent_for(raw_connection& link, milliseconds time) {
    world_.advance(time);
    return !link.readable();
  }

  /// All that comes until the end.
  std::size_t read_all(raw_connection& link) {
    std::size_t size = 0;
    for (;;) {
      until([&] { return link.readable(); });
      const auto part = link.read_some();
      if (part.empty()) return size;
      size += part.size();
    }
  }

  static constexpr std::size_t large_size = 32 << 20;  // more than all socket buffers on its way hold
  static constexpr const char* get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  static constexpr const char* get_park = "GET /park HTTP/1.1\r\nHost: localhost\r\n\r\n";

  tests::manual_environment world_;
  server_options options_ =
      api::server_options_from(tests::configured({"broker.http.port=0", "broker.http.rate_min_bytes_per_s=1000"}));
  std::unique_ptr<server> server_;
  std::uint16_t port_ = 0;
  int handled_ = 0;
  std::optional<unavailable> absent_;
  std::shared_ptr<one_shot<bool>> parked_;
  bool left_ = false;
};

TEST_F(HttpServer, AnIdleConnectionIsClosedInTheEnd) {
  start();
  const auto fresh = connect();
  const auto used = connect();
  send(*used, get);
  EXPECT_EQ(status_of_next(*used), 200);
  EXPECT_TRUE(silent_for(*used, options_.idle_timeout));
  world_.advance(milliseconds(200));
  EXPECT_TRUE(ends(*used));
  EXPECT_TRUE(ends(*fresh));
}

TEST_F(HttpServer, ARequestEndsTheIdleTime) {
  start();
  const auto link = connect();
  for (int i = 0; i < 3; ++i) {
    send(*link, get);
    EXPECT_EQ(status_of_next(*link), 200);
    EXPECT_TRUE(silent_for(*link, options_.idle_timeout - milliseconds(1)));
  }
}

TEST_F(HttpServer, ASlowHeaderHasATotalTime) {
  start();
  const auto link = connect();
  send(*link, "GET / HTTP/1.1\r\n");
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(silent_for(*link, options_.header_timeout / 10));
    send(*link, "X: y\r\n");  // each byte in time, and the header never whole
  }
  world_.advance(milliseconds(200));
  EXPECT_EQ(status_of_next(*link), 408);
  EXPECT_TRUE(ends(*link));
}

TEST_F(HttpServer, EmptyLinesDoNotKeepAConnection) {
  start();
  const auto link = connect();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(silent_for(*link, options_.idle_timeout / 10));
    send(*link, i % 2 ? "\n" : "\r");
  }
  world_.advance(milliseconds(200));
  EXPECT_TRUE(ends(*link));
}

std::string post(std::size_t size) {
  return "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
}

TEST_F(HttpServer, ABodyThatTricklesHasATotalTime) {
  start();
  const auto link = connect();
  send(*link, post(100'000));
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(silent_for(*link, options_.body_timeout / 10));
    send(*link, "x");  // far below the least rate
  }
  world_.advance(milliseconds(200));
  EXPECT_EQ(status_of_next(*link), 408);
  EXPECT_TRUE(ends(*link));
}

TEST_F(HttpServer, ALargeBodyMayTakeLongWhileItKeepsTheLeastRate) {
  start();
  const auto link = connect();
  const std::size_t seconds = 10 * static_cast<std::size_t>(options_.body_timeout.count()) / 1'000;
  send(*link, post(seconds * options_.rate_min_bytes_per_s));
  for (std::size_t i = 0; i < seconds; ++i) {
    ASSERT_TRUE(silent_for(*link, milliseconds(1'000)));
    send(*link, std::string(options_.rate_min_bytes_per_s, 'x'));
  }
  EXPECT_EQ(status_of_next(*link), 200);
}

TEST_F(HttpServer, WhatFramesABodyBuysNoTime) {
  start();
  const auto link = connect();
  send(*link, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(silent_for(*link, options_.body_timeout / 10));
    send(*link, "1;" + std::string(400, 'x') + "\r\nx\r\n");
  }
  world_.advance(milliseconds(200));
  EXPECT_EQ(status_of_next(*link), 408);
}

TEST_F(HttpServer, AnAnswerThatNobodyTakesIsGivenUp) {
  options_.rate_min_bytes_per_s = large_size;
  start();
  const auto link = connect();
  send(*link, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  until([&] { return link->readable(); });
  world_.advance(options_.body_timeout + milliseconds(1'200));
  EXPECT_LT(read_all(*link), large_size);
}

TEST_F(HttpServer, ALargeAnswerMayTakeLongWhileItIsTakenAtTheLeastRate) {
  options_.rate_min_bytes_per_s = large_size / 1'000;
  start();
  const auto link = connect();
  send(*link, "GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  until([&] { return link->readable(); });
  world_.advance(milliseconds(900'000));
  EXPECT_GT(read_all(*link), large_size);
}

TEST_F(HttpServer, ManyRequestsInOneWriteAreAnsweredInOrder) {
  start();
  const auto link = connect();
  std::string bytes;
  for (int i = 0; i < 1'000; ++i) bytes += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  link->send(bytes);
  for (int i = 0; i < 1'000; ++i) {
    until([&] { return link->readable(); });
    ASSERT_EQ(link->read().body, "GET /" + std::to_string(i) + " ");
  }
}

TEST_F(HttpServer, NoMoreConnectionsThanConfigured) {
  options_.connections_max = 2;
  start();
  const auto first = connect();
  auto second = connect();
  send(*first, get);
  send(*second, get);
  const auto third = connect();
  EXPECT_EQ(status_of_next(*third), 503);
  EXPECT_EQ(status_of_next(*first), 200) << "the others go on";
  second.reset();
  third->finish_sending();
  EXPECT_TRUE(ends(*third));
  const auto fourth = connect();
  send(*fourth, get);
  EXPECT_EQ(status_of_next(*fourth), 200) << "a place became free";
}

TEST_F(HttpServer, AFloodOfConnectionsIsNotEvenRefused) {
  options_.connections_max = 1;
  start();
  std::vector<std::unique_ptr<raw_connection>> flood;
  for (int i = 0; i < 140; ++i) flood.push_back(connect());
  until([&] { return flood.back()->readable(); });
  EXPECT_TRUE(flood.back()->closed()) << "closed without an answer";
  send(*flood.front(), get);
  EXPECT_EQ(status_of_next(*flood.front()), 200);
}

TEST_F(HttpServer, ThoseWhoWaitToBeConnectedDoNotQueueBehindOtherWork) {
  start();
  world_.settle();
  constexpr int count = 100;
  std::vector<std::unique_ptr<raw_connection>> links;
  for (int i = 0; i < count; ++i) {
    links.push_back(connect());
    links.back()->send(get);
  }
  // Other work that is always there: each turn of the loop does it once.
  int turns = 0;
  const std::function<void()> work = [&] {
    if (++turns < 10'000 && handled_ < count) boost::asio::post(world_.env().executor, work);
  };
  work();
  until([&] { return handled_ == count; });
  EXPECT_LT(turns, count / 2);
}

TEST_F(HttpServer, AHandlerHearsThatItsPeerHasHungUp) {
  start();
  auto link = connect();
  send(*link, get_park);
  until([&] { return parked_ != nullptr; });
  EXPECT_FALSE(left_);
  link.reset();
  until([&] { return left_; });
}

TEST_F(HttpServer, APeerThatSendsNoMoreDoesNotWaitButIsAnswered) {
  start();
  const auto link = connect();
  send(*link, get_park);
  link->finish_sending();
  EXPECT_EQ(status_of_next(*link), 200);
  EXPECT_TRUE(left_);
  EXPECT_TRUE(ends(*link));
}

TEST_F(HttpServer, APeerThatSendsNoMoreIsAnsweredAllItAsked) {
  start();
  const auto link = connect();
  link->send(std::string(get) + get_park + get);
  link->finish_sending();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status_of_next(*link), 200);
  EXPECT_TRUE(ends(*link));
}

TEST_F(HttpServer, WhatComesWhileAHandlerRunsIsNextAndHangingUpBehindItIsHeard) {
  start();
  const auto link = connect();
  send(*link, get_park);
  send(*link, get);
  send(*link, std::string(get) + "GET /");
  EXPECT_EQ(handled_, 1);
  parked_->set(true);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status_of_next(*link), 200);
  send(*link, std::string(" HTTP/1.1\r\nHost: localhost\r\n\r\n") + get_park + get);
  EXPECT_EQ(status_of_next(*link), 200);
  link->finish_sending();
  EXPECT_EQ(status_of_next(*link), 200);
  EXPECT_TRUE(left_);
}

TEST_F(HttpServer, WhatComesWhileAHandlerRunsIsKeptOnlyAsFarAsThereIsRoom) {
  start();
  const auto link = connect();
  send(*link, get_park);
  until([&] { return parked_ != nullptr; });
  send(*link, post(1));
  const std::string part(1 << 20, 'x');
  std::size_t sent = 0;
  for (int stalls = 0; sent < large_size && stalls < 100;) {
    const auto taken = link->send_some(part);
    sent += taken;
    stalls = taken ? 0 : stalls + 1;
    world_.settle();
  }
  EXPECT_LT(sent, large_size) << "the rest waits at the sender";
  parked_->set(true);
  for (const int status : {200, 200, 431}) EXPECT_EQ(status_of_next(*link), status);
}

TEST_F(HttpServer, EveryAnswerSaysThatItIsWhatItSays) {
  options_.connections_max = 1;
  start();
  auto link = connect();
  for (const auto* asked : {get, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                            "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n", "nonsense\r\n\r\n"}) {
    send(*link, asked);
    until([&] { return link->readable(); });
    EXPECT_EQ(link->read().headers.at("x-content-type-options"), "nosniff") << asked;
  }
  const auto second = connect();
  until([&] { return second->readable(); });
  EXPECT_EQ(second->read().headers.at("x-content-type-options"), "nosniff");
}

TEST_F(HttpServer, WhatAPageOfSomebodyElseAsksIsNotDone) {
  options_.browsers.origins = {"https://ops.example"};
  start();
  const auto link = connect();
  const auto post_from = [&](const std::string& fields) {
    send(*link, "POST / HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n" + fields + "\r\n[]");
    until([&] { return link->readable(); });
    return link->read();
  };
  EXPECT_EQ(post_from("Host: localhost\r\nOrigin: https://evil.example\r\n").status, 403);
  EXPECT_EQ(post_from("Host: localhost\r\nSec-Fetch-Site: same-site\r\n").status, 403);
  EXPECT_EQ(post_from("Host: evil.example\r\n").status, 421);
  EXPECT_EQ(handled_, 0);
  EXPECT_EQ(post_from("Host: localhost\r\n").status, 200) << "as curl asks";
  const auto told = post_from("Host: localhost\r\nOrigin: https://ops.example\r\n");
  EXPECT_EQ(told.status, 200);
  EXPECT_EQ(told.headers.at("access-control-allow-origin"), "https://ops.example");
  EXPECT_EQ(handled_, 2);
  send(*link,
       "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://ops.example\r\n"
       "Access-Control-Request-Method: PUT\r\n\r\n");
  until([&] { return link->readable(); });
  EXPECT_EQ(link->read_some().substr(0, 12), "HTTP/1.1 204");
  EXPECT_EQ(handled_, 2);
}

TEST_F(HttpServer, AnAbsenceSaysWhatIsKnownToHaveBecomeOfTheRequest) {
  start();
  const auto link = connect();
  const auto told = [&](unavailable::reason why, const std::string& asked) {
    absent_ = unavailable(why, "what was said");
    send(*link, asked);
    until([&] { return link->readable(); });
    const auto got = link->read();
    EXPECT_EQ(got.status, 503);
    EXPECT_TRUE(got.headers.count("retry-after"));
    return got.body;
  };
  using enum unavailable::reason;
  const auto put = "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
  for (const auto why : {outcome_unknown, broken}) {
    EXPECT_THAT(told(why, put), testing::HasSubstr("may have been carried out"));
    EXPECT_THAT(told(why, put), testing::HasSubstr("Idempotency-Key"));
    EXPECT_THAT(told(why, put), testing::Not(testing::HasSubstr("nothing")));
    EXPECT_THAT(told(why, get), testing::HasSubstr("nothing was changed")) << "looking changes nothing";
  }
  for (const auto why : {away, refused, full, overloaded}) {
    EXPECT_THAT(told(why, put), testing::HasSubstr("nothing was changed"));
    EXPECT_EQ(told(why, put).find("what was said") != std::string::npos, why == overloaded)
        << "a store may say names of hosts and users";
  }
}

TEST_F(HttpServer, WhatAHandlerThrowsNeverEndsMoreThanItsRequest) {
  start();
  const auto link = connect();
  send(*link, "POST /throw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(status_of_next(*link), 500);
  send(*link, get);
  EXPECT_EQ(status_of_next(*link), 200);
}

TEST_F(HttpServer, BodiesUnderWayAreBoundedTogether) {
  options_.bodies_max_bytes = 1'000;
  options_.body_max_bytes = 600;
  start();
  const auto one = connect(), other = connect(), third = connect();
  send(*one, post(600) + std::string(599, 'x'));
  send(*other, post(500) + std::string(500, 'x'));
  until([&] { return other->readable(); });
  const auto refusal = other->read();
  EXPECT_EQ(refusal.status, 503);
  EXPECT_TRUE(refusal.headers.count("retry-after"));
  EXPECT_THAT(refusal.body, testing::HasSubstr("broker.http.bodies_max_bytes"));
  EXPECT_EQ(handled_, 0);
  send(*third, post(400) + std::string(400, 'x'));
  EXPECT_EQ(status_of_next(*third), 200) << "what fits beside it";
  send(*one, "x");
  EXPECT_EQ(status_of_next(*one), 200);
  const auto fourth = connect();
  send(*fourth, post(600) + std::string(600, 'x'));
  EXPECT_EQ(status_of_next(*fourth), 200) << "there is room again";
}

TEST_F(HttpServer, ABodyThatComesInChunksCountsToo) {
  options_.bodies_max_bytes = options_.body_max_bytes = 1'000;
  start();
  const auto one = connect(), other = connect();
  send(*one, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n" + std::string(600, 'x') +
                 "\r\n");
  send(*other, post(600) + std::string(600, 'x'));
  EXPECT_EQ(status_of_next(*other), 503);
  send(*one, "0\r\n\r\n");
  EXPECT_EQ(status_of_next(*one), 200);
}

TEST_F(HttpServer, OneLargestBodyAlwaysFits) {
  options_.bodies_max_bytes = 10;
  options_.body_max_bytes = 1'000;
  start();
  const auto link = connect();
  send(*link, post(1'000) + std::string(1'000, 'x'));
  EXPECT_EQ(status_of_next(*link), 200);
}

TEST_F(HttpServer, ARequestThatWaitsTakesNoRoomForABodyThatItHasDropped) {
  options_.bodies_max_bytes = options_.body_max_bytes = 1'000;
  start();
  const auto parked = connect(), other = connect();
  send(*parked, "POST /drop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n" + std::string(1'000, 'x'));
  until([&] { return parked_ != nullptr; });
  send(*other, post(1'000) + std::string(1'000, 'x'));
  EXPECT_EQ(status_of_next(*other), 200);
  parked_->set(true);
  EXPECT_EQ(status_of_next(*parked), 200);
}

constexpr const char* get_large = "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST_F(HttpServer, AnswersThatWaitToBeTakenAreBoundedTogether) {
  options_.answers_max_bytes = large_size + 1'000;
  start();
  const auto slow = connect(), other = connect();
  send(*slow, get_large);
  until([&] { return slow->readable(); });
  send(*other, get_large);
  until([&] { return other->readable(); });
  const auto refusal = other->read();
  EXPECT_EQ(refusal.status, 503);
  EXPECT_TRUE(refusal.headers.count("retry-after"));
  EXPECT_THAT(refusal.body, testing::HasSubstr("broker.http.answers_max_bytes"));
  send(*other, get);
  EXPECT_EQ(status_of_next(*other), 200) << "small answers always fit";
  send(*other, "POST /large HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  until([&] { return other->readable(); });
  EXPECT_EQ(other->read_some().substr(0, 12), "HTTP/1.1 200") << "what a change is answered with cannot be had again";
}

TEST_F(HttpServer, AnAnswerThatIsTakenSlowlyMakesWayForOthers) {
  options_.answers_max_bytes = large_size + 1'000;
  start();
  const auto slow = connect(), other = connect();
  send(*slow, get_large);
  until([&] { return slow->readable(); });
  world_.advance(milliseconds(2'000));
  send(*other, get_large);
  until([&] { return other->readable(); });
  EXPECT_EQ(other->read_some().substr(0, 12), "HTTP/1.1 200");
  EXPECT_LT(read_all(*slow), large_size);
}

TEST_F(HttpServer, AStopAnswersWhatIsUnderWay) {
  start();
  const auto idle = connect();
  const auto busy = connect();
  send(*busy, get_park);
  until([&] { return parked_ != nullptr; });
  const auto stopped = world_.start([](server& s) -> task<bool> {
    co_await s.stop(milliseconds(10'000));
    co_return true;
  }(*server_));
  EXPECT_TRUE(ends(*idle));
  EXPECT_FALSE(*stopped);
  parked_->set(true);
  EXPECT_EQ(status_of_next(*busy), 200);
  until([&] { return stopped->has_value(); });
  server_.reset();
}

TEST_F(HttpServer, AStopDoesNotWaitForAHandlerForEver) {
  start();
  const auto busy = connect();
  send(*busy, get_park);
  until([&] { return parked_ != nullptr; });
  world_.run(server_->stop(milliseconds(10'000)));
  EXPECT_TRUE(left_) << "closing its connection is a hang-up";
  server_.reset();
}

}  // namespace
}  // namespace amc::http
