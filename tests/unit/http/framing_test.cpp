#include "http/framing.hpp"

#include <gmock/gmock.h>

/// What is one request, and what is refused because it might be read as another one. Each case is fed whole and byte by
/// byte: how the bytes arrive must not matter.
namespace amc::http {
namespace {

using testing::ElementsAre;
using state = request_reader::state;

constexpr framing_limits small{1'024, 64};

struct reading {
  std::vector<framed_request> requests{};
  state end = state::idle;
  int refused = 0;  ///< the status
  std::string why{};
};

/// Reads everything, in pieces of so many bytes.
reading read(std::string_view bytes, std::size_t piece, framing_limits limits = small) {
  request_reader reader(limits);
  reading all;
  for (;;) {
    all.end = reader.advance();
    if (all.end == state::complete) {
      all.requests.push_back(reader.take());
    } else if (all.end == state::refused) {
      all.refused = reader.fault().status;
      all.why = reader.fault().detail;
      return all;
    } else if (bytes.empty()) {
      return all;
    } else {
      const auto part = bytes.substr(0, std::min(piece, reader.room()));
      EXPECT_FALSE(part.empty()) << "it would wait for ever";
      reader.feed(part);
      bytes.remove_prefix(part.size());
    }
  }
}

constexpr std::size_t whole = 1 << 20;

reading read_both_ways(std::string_view bytes, framing_limits limits = small) {
  const auto at_once = read(bytes, whole, limits);
  const auto byte_by_byte = read(bytes, 1, limits);
  EXPECT_EQ(at_once.requests.size(), byte_by_byte.requests.size());
  EXPECT_EQ(at_once.end, byte_by_byte.end);
  EXPECT_EQ(at_once.refused, byte_by_byte.refused);
  for (std::size_t i = 0; i < std::min(at_once.requests.size(), byte_by_byte.requests.size()); ++i)
    EXPECT_EQ(at_once.requests[i].request.body, byte_by_byte.requests[i].request.body);
  return at_once;
}

/// The one request that the bytes are.
framed_request only(std::string_view bytes, framing_limits limits = small) {
  auto all = read_both_ways(bytes, limits);
  EXPECT_EQ(all.requests.size(), 1U) << all.why;
  return all.requests.empty() ? framed_request{} : std::move(all.requests.front());
}

std::string post(const std::string& fields, const std::string& body = "") {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

std::string chunked(const std::string& body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}

TEST(Framing, AHeaderIsRead) {
  const auto got =
      only("GET /messages/1?a=b HTTP/1.1\r\nHost: a\r\nPrefer:wait=1 \r\nPrefer: \t respond-async\r\n\r\n");
  EXPECT_EQ(got.request.method, "GET");
  EXPECT_EQ(got.request.target, "/messages/1?a=b");
  EXPECT_EQ(got.request.headers.find("PREFER"), "wait=1, respond-async");
  EXPECT_TRUE(got.keep_alive);
  EXPECT_FALSE(got.http_10);
}

TEST(Framing, ALengthMayHaveZerosInFront) {
  EXPECT_EQ(only(post("Content-Length: 0003\r\n", "abc")).request.body, "abc");
}

TEST(Framing, WithoutALengthThereIsNoBody) {
  const auto all = read_both_ways(post("") + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(all.requests.size(), 2U);
}

TEST(Framing, AChunkedBody) {
  EXPECT_EQ(only(chunked("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")).request.body, "abc");
}

TEST(Framing, AnEmptyChunkedBody) {
  EXPECT_EQ(only(chunked("0\r\n\r\n")).request.body, "");
}

TEST(Framing, ChunkSizesAreHexadecimalInEitherCase) {
  EXPECT_EQ(only(chunked("00A\r\n0123456789\r\nb\r\n01234567890\r\n0\r\n\r\n")).request.body.size(), 21U);
}

TEST(Framing, AChunkSizeHasNoMoreDigitsThanAnyReaderCanHold) {
  EXPECT_EQ(only(chunked(std::string(16, '0') + "\r\n\r\n")).request.body, "");
  EXPECT_EQ(read_both_ways(chunked(std::string(17, '0') + "\r\n\r\n")).refused, 400);
}

TEST(Framing, ChunkExtensionsAreIgnored) {
  EXPECT_EQ(only(chunked("1;a=b;c=\"d e\"\r\nx\r\n1 ; a\r\ny\r\n0;last\r\n\r\n")).request.body, "xy");
}

TEST(Framing, ABodyIsBinary) {
  const std::string bytes("a\r\n\0\xff", 5);
  EXPECT_EQ(only(post("Content-Length: 5\r\n", bytes)).request.body, bytes);
  EXPECT_EQ(only(chunked("5\r\n" + bytes + "\r\n0\r\n\r\n")).request.body, bytes);
}

TEST(Framing, PipelinedRequestsAreReadOneAfterTheOther) {
  std::string bytes;
  for (const auto* method : {"GET", "PUT", "BREW"}) bytes += std::string(method) + " / HTTP/1.1\r\nHost: a\r\n\r\n";
  std::vector<std::string> methods;
  for (const auto& got : read_both_ways(bytes).requests) methods.push_back(got.request.method);
  EXPECT_THAT(methods, ElementsAre("GET", "PUT", "BREW"));
}

TEST(Framing, AnEmptyLineBeforeARequestBelongsToNothing) {
  const auto all = read_both_ways(post("Content-Length: 1\r\n", "x") + "\r\n" + post("") + "\r\n");
  EXPECT_EQ(all.requests.size(), 2U);
  EXPECT_EQ(all.end, state::idle);
}

TEST(Framing, AUrlAsTargetNamesItsPath) {
  EXPECT_EQ(only("GET http://a:1/b?c HTTP/1.1\r\nHost: A:1\r\n\r\n").request.target, "/b?c");
  EXPECT_EQ(only("GET http://a:80/b HTTP/1.1\r\nHost: a\r\n\r\n").request.target, "/b");
  EXPECT_EQ(only("GET https://a/b HTTP/1.1\r\nHost: a:443\r\n\r\n").request.target, "/b");
  EXPECT_EQ(only("GET http://a/b HTTP/1.0\r\n\r\n").request.target, "/b");
  EXPECT_EQ(only("GET HTTPS://a?c HTTP/1.1\r\nHost: a\r\n\r\n").request.target, "/?c");
  EXPECT_EQ(only("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n").request.target, "/");
  EXPECT_EQ(only("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").request.target, "*");
}

TEST(Framing, ConnectionsAreKeptAsTheVersionSays) {
  EXPECT_FALSE(only("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").keep_alive);
  EXPECT_FALSE(only("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(only("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

/// Whether the client waits for 100 when so much was fed.
bool awaits_continue(const std::string& bytes) {
  request_reader reader(small);
  reader.feed(bytes);
  return reader.advance() == state::body && reader.awaits_continue();
}

TEST(Framing, AClientThatAsksWaitsToHearThatItsBodyIsWanted) {
  EXPECT_TRUE(awaits_continue(post("Expect: 100-Continue\r\nContent-Length: 1\r\n")));
  EXPECT_FALSE(awaits_continue(post("Content-Length: 1\r\n")));
  EXPECT_FALSE(awaits_continue(post("Expect: 100-continue\r\nContent-Length: 2\r\n", "a"))) << "it did not wait";
  EXPECT_FALSE(awaits_continue("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
}

TEST(Framing, ATargetMayBeAsLongAsTheHeader) {
  EXPECT_EQ(only("GET /" + std::string(900, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n").request.target.size(), 901U);
}

TEST(Framing, ALargeHeaderIs431WhereverItEnds) {
  EXPECT_EQ(read_both_ways("GET /" + std::string(1'024, 'x')).refused, 431);
  EXPECT_EQ(read_both_ways("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(1'024, 'x') + "\r\n\r\n").refused, 431);
}

TEST(Framing, AHeaderMayHaveExactlyTheLimit) {
  const std::string front = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const auto filled = [&](std::size_t size) { return front + std::string(size - front.size() - 4, 'x') + "\r\n\r\n"; };
  only(filled(small.header_max_bytes));
  EXPECT_EQ(read_both_ways(filled(small.header_max_bytes + 1)).refused, 431);
}

TEST(Framing, ALargeBodyIs413BeforeItComes) {
  only(post("Content-Length: 64\r\n", std::string(64, 'x')));
  EXPECT_EQ(read_both_ways(post("Content-Length: 65\r\n")).refused, 413);
  EXPECT_EQ(read_both_ways(post("Content-Length: 18446744073709551615\r\n")).refused, 413);
  EXPECT_EQ(read_both_ways(chunked("41\r\n")).refused, 413);
  EXPECT_EQ(read_both_ways(chunked("FFFFFFFFFFFFFFFF\r\n")).refused, 413);
  EXPECT_EQ(read_both_ways(chunked("3f\r\n" + std::string(63, 'x') + "\r\n2\r\n")).refused, 413) << "all chunks count";
  EXPECT_EQ(read_both_ways(chunked("40\r\n" + std::string(64, 'x') + "\r\n0\r\n\r\n")).requests.size(), 1U);
}

TEST(Framing, ARefusalKnowsWhatItAnswers) {
  request_reader reader(small);
  reader.feed("HEAD /?id=1 HTTP/1.1\r\n\r\n");
  ASSERT_EQ(reader.advance(), state::refused);
  EXPECT_EQ(reader.fault().target, "/?id=1");
  EXPECT_TRUE(reader.fault().head);
  EXPECT_EQ(reader.room(), 0U);
}

TEST(Framing, ARefusalOfAnUnreadHeaderHasNoTarget) {
  request_reader reader(small);
  reader.feed("GET / HTTP/1.1\r\nX: " + std::string(small.header_max_bytes, 'x'));
  ASSERT_EQ(reader.advance(), state::refused);
  EXPECT_EQ(reader.fault().target, "");
}

TEST(Framing, ARefusalNamesTheLimitByItsKey) {
  EXPECT_THAT(read_both_ways(post("Content-Length: 65\r\n")).why,
              testing::HasSubstr("64 bytes (broker.http.body_max_bytes)"));
  EXPECT_THAT(read_both_ways(chunked("41\r\n")).why, testing::HasSubstr("broker.http.body_max_bytes"));
  EXPECT_THAT(read_both_ways("GET / HTTP/1.1\r\nX: " + std::string(2'000, 'x')).why,
              testing::HasSubstr("1024 bytes (broker.http.header_max_bytes)"));
}

TEST(Framing, ChunkExtensionsAreBoundedInALineAndInABody) {
  EXPECT_EQ(read_both_ways(chunked("1;a=" + std::string(2'000, 'x'))).refused, 400);
  std::string body;
  for (int i = 0; i < 20; ++i) body += "1;a=" + std::string(500, 'x') + "\r\ny\r\n";
  EXPECT_EQ(read_both_ways(chunked(body)).refused, 400);
}

TEST(Framing, AnIdleReaderKeepsNothingAndTakesAFullHeader) {
  request_reader reader(small);
  EXPECT_EQ(reader.advance(), state::idle);
  EXPECT_GT(reader.room(), small.header_max_bytes);
}

struct bad_request {
  const char* name;
  std::string bytes;
};

class RefusedRequest : public testing::TestWithParam<bad_request> {};

TEST_P(RefusedRequest, Is400HoweverItArrives) {
  const auto all = read_both_ways(GetParam().bytes);
  EXPECT_EQ(all.refused, 400) << all.why;
  EXPECT_TRUE(all.requests.empty());
}

std::string get(const std::string& line) {
  return line + "\r\nHost: a\r\n\r\n";
}

std::string with(const std::string& field) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + field + "\r\n\r\n";
}

constexpr const char* chunks = "1\r\nx\r\n0\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    RequestLine, RefusedRequest,
    testing::Values(
        bad_request{"NotHttp", "hello\r\n\r\n"}, bad_request{"NoVersion", get("GET /")},
        bad_request{"Http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, bad_request{"Http12", get("GET / HTTP/1.2")},
        bad_request{"Http09", get("GET / HTTP/0.9")}, bad_request{"TwoDigits", get("GET / HTTP/1.10")},
        bad_request{"LowerCase", get("GET / http/1.1")}, bad_request{"SpaceInFront", get(" GET / HTTP/1.1")},
        bad_request{"TwoSpaces", get("GET  / HTTP/1.1")}, bad_request{"Tab", get("GET\t/ HTTP/1.1")},
        bad_request{"SpaceBehind", get("GET / HTTP/1.1 ")}, bad_request{"SpaceInTarget", get("GET /a b HTTP/1.1")},
        bad_request{"NoTarget", get("GET HTTP/1.1")}, bad_request{"RelativeTarget", get("GET a/b HTTP/1.1")},
        bad_request{"Authority", get("CONNECT a:443 HTTP/1.1")}, bad_request{"Asterisk", get("GET * HTTP/1.1")},
        bad_request{"NoAuthority", get("GET http:///b HTTP/1.1")}, bad_request{"Ftp", get("GET ftp://a/b HTTP/1.1")},
        bad_request{"AnotherAuthority", get("GET http://b/ HTTP/1.1")},
        bad_request{"AnotherPort", get("GET http://a:443/ HTTP/1.1")},
        bad_request{"UserInAuthority", get("GET http://b@a/ HTTP/1.1")},
        bad_request{"NulInTarget", get(std::string("GET /a\0b HTTP/1.1", 17))},
        bad_request{"NotATokenAsMethod", get("G(T / HTTP/1.1")}),
    [](const auto& suite) { return std::string(suite.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Lines, RefusedRequest,
    testing::Values(bad_request{"LineFeedAlone", "GET / HTTP/1.1\nHost: a\n\n"},
                    bad_request{"LineFeedAloneOnce", "GET / HTTP/1.1\r\nHost: a\n\r\n"},
                    bad_request{"LineFeedFirst", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
                    bad_request{"LineFeedInAValue", with("X: a\nTransfer-Encoding: chunked")},
                    bad_request{"ReturnAlone", "GET / HTTP/1.1\rHost: a\r\r\r\n\r\n"},
                    bad_request{"ReturnInAValue", with("X: a\rb")}, bad_request{"Nul", with(std::string("X: a\0b", 6))},
                    bad_request{"NulInAName", with(std::string("X\0: a", 5))}, bad_request{"Delete", with("X: a\x7f")},
                    bad_request{"Folded", with("X: 1\r\n 2")}, bad_request{"FoldedWithATab", with("X: 1\r\n\t2")},
                    bad_request{"FoldedFirst", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
                    bad_request{"SpaceBeforeTheColon", with("X : a")}, bad_request{"TabBeforeTheColon", with("X\t: a")},
                    bad_request{"NoColon", with("X")}, bad_request{"NoName", with(": a")},
                    bad_request{"SpaceInAName", with("X Y: a")}, bad_request{"NotAsciiInAName", with("\xc3\xa9: a")}),
    [](const auto& suite) { return std::string(suite.param.name); });

INSTANTIATE_TEST_SUITE_P(Host, RefusedRequest,
                         testing::Values(bad_request{"None", "GET / HTTP/1.1\r\n\r\n"},
                                         bad_request{"Two", with("Host: b")},
                                         bad_request{"TheSameTwice", with("host: a")}),
                         [](const auto& suite) { return std::string(suite.param.name); });

INSTANTIATE_TEST_SUITE_P(
    ContentLength, RefusedRequest,
    testing::Values(bad_request{"Two", post("Content-Length: 1\r\nContent-Length: 2\r\n", "ab")},
                    bad_request{"TheSameTwice", post("Content-Length: 1\r\nContent-Length: 1\r\n", "a")},
                    bad_request{"AList", post("Content-Length: 1, 1\r\n", "a")},
                    bad_request{"Negative", post("Content-Length: -1\r\n")},
                    bad_request{"Plus", post("Content-Length: +5\r\n")},
                    bad_request{"Hexadecimal", post("Content-Length: 0x5\r\n")},
                    bad_request{"AFraction", post("Content-Length: 1.0\r\n", "a")},
                    bad_request{"Empty", post("Content-Length:\r\n")},
                    bad_request{"Words", post("Content-Length: 1 1\r\n", "a")},
                    bad_request{"MoreThan64Bits", post("Content-Length: 18446744073709551616\r\n")}),
    [](const auto& suite) { return std::string(suite.param.name); });

INSTANTIATE_TEST_SUITE_P(
    TransferEncoding, RefusedRequest,
    testing::Values(
        bad_request{"Gzip", post("Transfer-Encoding: gzip\r\nContent-Length: 3\r\n", "abc")},
        bad_request{"AlmostChunked", post("Transfer-Encoding: xchunked\r\n", chunks)},
        bad_request{"GzipChunked", post("Transfer-Encoding: gzip, chunked\r\n", chunks)},
        bad_request{"ChunkedTwice", post("Transfer-Encoding: chunked, chunked\r\n", chunks)},
        bad_request{"TwoFields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunks)},
        bad_request{"TwoFieldsOneUnknown", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", chunks)},
        bad_request{"Quoted", post("Transfer-Encoding: \"chunked\"\r\n", chunks)},
        bad_request{"WithAParameter", post("Transfer-Encoding: chunked;q=1\r\n", chunks)},
        bad_request{"Empty", post("Transfer-Encoding:\r\n", chunks)},
        bad_request{"VerticalTab", post("Transfer-Encoding: \x0b"
                                        "chunked\r\n",
                                        chunks)},
        bad_request{"WithLength", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunks)},
        bad_request{"BehindLength", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunks)},
        bad_request{"InHttp10", std::string("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") + chunks}),
    [](const auto& suite) { return std::string(suite.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Chunks, RefusedRequest,
    testing::Values(bad_request{"NoSize", chunked("\r\n")}, bad_request{"NotHexadecimal", chunked("zz\r\n")},
                    bad_request{"WithPrefix", chunked("0x1\r\nx\r\n")}, bad_request{"Negative", chunked("-1\r\n")},
                    bad_request{"Plus", chunked("+1\r\nx\r\n")}, bad_request{"SpaceInFront", chunked(" 1\r\nx\r\n")},
                    bad_request{"SpaceBehind", chunked("1 \r\nx\r\n")}, bad_request{"Underscore", chunked("1_0\r\n")},
                    bad_request{"MoreThan64Bits", chunked("10000000000000001\r\n")},
                    bad_request{"LineFeedAlone", chunked("1\nx\r\n0\r\n\r\n")},
                    bad_request{"LineFeedInAnExtension", chunked("1;a\nx\r\n0\r\n\r\n")},
                    bad_request{"LineFeedInAQuotedExtension", chunked("1;a=\"\n\"\r\nx\r\n0\r\n\r\n")},
                    bad_request{"ReturnInAnExtension", chunked("1;a\rx\r\n0\r\n\r\n")},
                    bad_request{"LongerThanItSays", chunked("1\r\nxyz\r\n")},
                    bad_request{"EndsWithLineFeedAlone", chunked("1\r\nx\n0\r\n\r\n")},
                    bad_request{"Trailers", chunked("0\r\nX: 1\r\n\r\n")},
                    bad_request{"TrailerAfterLineFeed", chunked("0\r\n\nX: 1\r\n\r\n")}),
    [](const auto& suite) { return std::string(suite.param.name); });

}  // namespace
}  // namespace amc::http
