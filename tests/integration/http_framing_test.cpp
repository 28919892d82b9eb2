#include <gmock/gmock.h>

#include <thread>

#include "tests/support/binary.hpp"
#include "tests/support/raw_http.hpp"

/// Bytes on the wire: what is not plainly one request is refused and the connection closed.
namespace amc::tests {
namespace {

class HttpFraming : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<temporary_folder>();
    broker_ = std::make_unique<process>(
        amc_command(folder_->path, {"broker"}, {"broker.http.port=0", "broker.http.idle_timeout_ms=5000"}));
    port_ = port_of(*broker_);
  }
  static void TearDownTestSuite() {
    broker_.reset();
    folder_.reset();
  }

  static std::unique_ptr<temporary_folder> folder_;
  static std::unique_ptr<process> broker_;
  static std::uint16_t port_;
};

std::unique_ptr<temporary_folder> HttpFraming::folder_;
std::unique_ptr<process> HttpFraming::broker_;
std::uint16_t HttpFraming::port_ = 0;

constexpr const char* chunked_body = "11\r\n{\"message\":\"Hi, \"\r\n1\r\n}\r\n0\r\n\r\n";

TEST_F(HttpFraming, AnswersPipelinedRequestsInOrder) {
  raw_connection link(port_);
  link.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(link.read().status, 200);
  EXPECT_EQ(link.read().status, 404);
}

TEST_F(HttpFraming, TakesARequestByteByByte) {
  raw_connection link(port_);
  for (const char byte : std::string("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    link.send(std::string(1, byte));
  EXPECT_EQ(link.read().status, 200);
}

TEST_F(HttpFraming, TakesAChunkedBody) {
  raw_connection link(port_);
  link.send(std::string("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n") + chunked_body);
  EXPECT_EQ(link.read().status, 201);
  EXPECT_EQ(link.ask("GET", "/healthz").status, 200) << "the connection goes on";
}

TEST_F(HttpFraming, TakesAChunkedBodyByteByByte) {
  raw_connection link(port_);
  for (const auto* body : {chunked_body, "0\r\n\r\n"}) {
    link.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const char byte : std::string(body)) {
      link.send(std::string(1, byte));
      // Each in a packet, and a read, of its own: Beast 1.81 would end the process at the last ones.
      while (!link.delivered()) std::this_thread::yield();
      EXPECT_EQ(ask(port_, "GET", "/healthz").status, 200);
    }
    EXPECT_EQ(link.read().status, body == chunked_body ? 201 : 422);
  }
}

TEST_F(HttpFraming, AnswersABodyWhereNoneIsWanted) {
  raw_connection link(port_);
  for (const auto& [method, target, status] : {std::tuple{"GET", "/healthz", 200},
                                               {"HEAD", "/healthz", 200},
                                               {"HEAD", "/nowhere", 404},
                                               {"GET", "/nowhere", 404},
                                               {"DELETE", "/healthz", 405},
                                               {"OPTIONS", "*", 404},
                                               {"GET", "http://localhost/healthz", 200},
                                               {"GET", "/healthz?x=%zz", 400}})
    EXPECT_EQ(link.ask(method, target, R"({"message":"Hi, "})").status, status) << method << " " << target;
}

TEST_F(HttpFraming, DecodesTheQuery) {
  const auto id = std::string(ask(port_, "POST", "/", R"({"message":"Hi, "})").json().at("id").as_string());
  std::string encoded;
  for (const char c : id) encoded += c == '-' ? std::string("%2d") : std::string(1, c);
  EXPECT_EQ(ask(port_, "GET", "/?id=" + encoded).status, 200);
  EXPECT_EQ(ask(port_, "GET", "/?%69d=" + id).status, 200);
  for (const auto& [bad, status] : {std::pair{"%", 400},
                                    {"%2", 400},
                                    {"%zz", 400},
                                    {"%00", 422},
                                    {"%ff", 422},
                                    {"a&id=b", 422},
                                    {"\"", 404},
                                    {"\xc3\xa9", 404}})
    EXPECT_EQ(ask(port_, "GET", std::string("/?id=") + bad).json().at("status").as_int64(), status) << bad;
}

TEST_F(HttpFraming, SaysContinueToAClientThatAsks) {
  raw_connection link(port_);
  link.send("POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 18\r\n\r\n");
  EXPECT_EQ(link.read().status, 100);
  link.send(R"({"message":"Hi, "})");
  EXPECT_EQ(link.read().status, 201);
}

TEST_F(HttpFraming, DoesNotSayContinueToABodyThatItWillNotTake) {
  raw_connection link(port_);
  link.send("POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
  EXPECT_EQ(link.read().status, 413);
  EXPECT_TRUE(link.closed());
}

TEST_F(HttpFraming, RefusesAHeadWithoutABody) {
  raw_connection link(port_);
  link.send("HEAD / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(link.read(true).status, 400);
  EXPECT_TRUE(link.closed());
}

TEST_F(HttpFraming, ClosesAfterAnHttp10RequestUnlessAskedToKeep) {
  raw_connection once(port_);
  once.send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(once.read().status, 200);
  EXPECT_TRUE(once.closed());
  raw_connection kept(port_);
  kept.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(kept.read().headers.at("connection"), "keep-alive");
  EXPECT_EQ(kept.ask("GET", "/healthz").status, 200);
}

TEST_F(HttpFraming, ClosesWhenAskedTo) {
  raw_connection link(port_);
  EXPECT_EQ(link.ask("GET", "/healthz", "", "Connection: close\r\n").headers.at("connection"), "close");
  EXPECT_TRUE(link.closed());
}

/// A broker of its own: on a machine that has much else to do, its deadlines would cut off the other tests too.
class SlowRequest : public testing::Test {
 protected:
  temporary_folder folder_;
  process broker_{
      amc_command(folder_.path, {"broker"},
                  {"broker.http.port=0", "broker.http.header_timeout_ms=300", "broker.http.body_timeout_ms=300"})};
  std::uint16_t port_ = port_of(broker_);
};

TEST_F(SlowRequest, InItsHeaderIsCutOff) {
  raw_connection link(port_);
  link.send("GET / HT");
  EXPECT_EQ(link.read().status, 408);
  EXPECT_TRUE(link.closed());
}

TEST_F(SlowRequest, InItsBodyIsCutOff) {
  raw_connection link(port_);
  link.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  EXPECT_EQ(link.read().status, 408);
  EXPECT_TRUE(link.closed());
}

struct bad_request {
  const char* name;
  std::string bytes;
};

class MalformedRequest : public HttpFraming, public testing::WithParamInterface<bad_request> {};

TEST_P(MalformedRequest, Is400AndCloses) {
  raw_connection link(port_);
  link.send(GetParam().bytes);
  EXPECT_EQ(link.read().status, 400);
  EXPECT_TRUE(link.closed());
  EXPECT_EQ(ask(port_, "GET", "/healthz").status, 200) << "the process stays up";
}

// One of each kind; tests/unit/http/framing_test.cpp has the whole list.
INSTANTIATE_TEST_SUITE_P(
    All, MalformedRequest,
    testing::Values(
        bad_request{"NotHttp", "hello\r\n\r\n"}, bad_request{"NoHost", "GET / HTTP/1.1\r\n\r\n"},
        bad_request{"TwoHosts", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n"},
        bad_request{"FoldedField", "GET / HTTP/1.1\r\nHost: localhost\r\nX: 1\r\n 2\r\n\r\n"},
        bad_request{"LineFeedAlone", "GET / HTTP/1.1\nHost: a\n\n"},
        bad_request{"Nul", std::string("GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n", 43)},
        bad_request{"SpaceBeforeTheColon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
        bad_request{"UnknownTransferEncoding",
                    "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"},
        bad_request{
            "ChunkedWithLength",
            std::string(
                "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n") +
                chunked_body},
        bad_request{"ChunkedInHttp10",
                    std::string("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") + chunked_body},
        bad_request{"TwoLengths",
                    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
        bad_request{"BadChunkSize", "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
        bad_request{
            "Trailers",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX: 1\r\n\r\n"},
        bad_request{
            "EndlessChunkExtension",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;x=" + std::string(200'000, 'x')},
        // What a proxy before this server might take for one request, and this server must not take for two.
        bad_request{"SmuggledBehindALength",
                    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 49\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nX: 1\r\n\r\n"},
        bad_request{
            "SmuggledBehindAnUnknownEncoding",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\nGET /healthz HTTP/1.1\r\nHost: "
            "a\r\n\r\n"},
        bad_request{"SmuggledBehindTwoLengths",
                    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 36\r\n\r\nGET /healthz "
                    "HTTP/1.1\r\nHost: localhost\r\n\r\n"},
        bad_request{"SmuggledInAChunkExtension",
                    "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;\nxxxxx\r\n0\r\n\r\nGET "
                    "/healthz "
                    "HTTP/1.1\r\nHost: localhost\r\n\r\n"}),
    [](const auto& suite) { return std::string(suite.param.name); });

}  // namespace
}  // namespace amc::tests
