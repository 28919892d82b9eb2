#include <gmock/gmock.h>

#include "tests/support/binary.hpp"
#include "tests/support/raw_http.hpp"

/// The seed's HTTP contract with its defects mended, request by request, against the real broker. No service runs, so
/// nothing moves by itself.
namespace amc::tests {
namespace {

using testing::HasSubstr;

constexpr const char* unknown_id = "01890a5d-ac96-774b-bcce-b302099a8057";

class HttpContract : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<temporary_folder>();
    broker_ = std::make_unique<process>(
        amc_command(folder_->path, {"broker"}, {"broker.http.port=0", "broker.http.body_max_bytes=4096"}));
    port_ = port_of(*broker_);
  }
  static void TearDownTestSuite() {
    broker_.reset();
    folder_.reset();
  }

  static answer ask(const std::string& method, const std::string& target, const std::string& body = "",
                    const std::string& headers = "") {
    return tests::ask(port_, method, target, body, headers);
  }
  static std::string text_in(const answer& got, const char* member) {
    return std::string(got.json().at(member).as_string());
  }
  static std::string post(const std::string& text = "Hi, ") {
    return text_in(ask("POST", "/", R"({"message":")" + text + R"("})"), "id");
  }
  static void expect_error(const answer& got, int status, const std::string& detail) {
    EXPECT_EQ(got.status, status);
    EXPECT_EQ(got.headers.at("content-type"), "application/json");
    EXPECT_TRUE(got.json().at("error").as_bool());
    EXPECT_THAT(text_in(got, "detail"), HasSubstr(detail));
  }

  static std::unique_ptr<temporary_folder> folder_;
  static std::unique_ptr<process> broker_;
  static std::uint16_t port_;
};

std::unique_ptr<temporary_folder> HttpContract::folder_;
std::unique_ptr<process> HttpContract::broker_;
std::uint16_t HttpContract::port_ = 0;

TEST_F(HttpContract, PostAnswers201WithTheRecord) {
  const auto got = ask("POST", "/", R"({"message":"Hi, "})");
  EXPECT_EQ(got.status, 201);
  EXPECT_EQ(got.headers.at("content-type"), "application/json");
  EXPECT_EQ(text_in(got, "message"), "Hi, ");
  EXPECT_EQ(text_in(got, "status"), "pending");
  EXPECT_EQ(got.json().at("revision").as_int64(), 1);
  EXPECT_EQ(text_in(got, "id").size(), 36U);
}

TEST_F(HttpContract, PostAndPutWithoutABody) {
  for (const auto* method : {"POST", "PUT"}) expect_error(ask(method, "/"), 422, "Missing body content.");
}

TEST_F(HttpContract, ABodyWithoutMessage) {
  for (const auto* method : {"POST", "PUT"})
    expect_error(ask(method, "/", R"({"text":"Hi, "})"), 422, "Missing the \"message\" attribute.");
}

TEST_F(HttpContract, PutAnswers200WithTheRecord) {
  const auto id = post();
  const auto got = ask("PUT", "/?id=" + id, R"({"message":"Hi, Bram."})");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(text_in(got, "id"), id);
  EXPECT_EQ(text_in(got, "message"), "Hi, Bram.");
}

TEST_F(HttpContract, PutTwiceIsLastWriterWins) {
  const auto id = post();
  ask("PUT", "/?id=" + id, R"({"message":"Hi, Bram."})");
  EXPECT_EQ(ask("PUT", "/?id=" + id, R"({"message":"Hi, Eni."})").status, 200);
  EXPECT_EQ(text_in(ask("GET", "/?id=" + id), "message"), "Hi, Eni.");
}

TEST_F(HttpContract, ADoubledDeliveryDoesNotOverwriteAFinishedAnswer) {
  const auto id = post();
  ask("PUT", "/?id=" + id, R"({"message":"Hi, Bram. Bye!"})");
  EXPECT_EQ(ask("PUT", "/?id=" + id, R"({"message":"Hi, Eni."})").status, 409);
  EXPECT_EQ(text_in(ask("GET", "/?id=" + id), "message"), "Hi, Bram. Bye!");
}

TEST_F(HttpContract, PutOfAnUnknownId) {
  for (const std::string id : {unknown_id, "6b04866b30234c8", ""})
    expect_error(ask("PUT", "/?id=" + id, R"({"message":"Hi, Bram."})"), 404, "Message \"" + id + "\" not found.");
}

TEST_F(HttpContract, GetAnswers200WithTheRecord) {
  const auto id = post();
  const auto got = ask("GET", "/?id=" + id);
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(text_in(got, "id"), id);
  EXPECT_EQ(text_in(got, "message"), "Hi, ");
}

TEST_F(HttpContract, HeadAnswersAsGetWithoutTheBody) {
  const auto id = post();
  const auto got = ask("HEAD", "/?id=" + id);
  EXPECT_EQ(got.status, 200);
  EXPECT_NE(got.headers.at("content-length"), "0");
}

TEST_F(HttpContract, GetOfAnUnknownId) {
  for (const std::string id : {unknown_id, "6b04866b30234c8", "a%20b"}) {
    const auto decoded = id == "a%20b" ? "a b" : id;
    expect_error(ask("GET", "/?id=" + id), 404, "Entity \"" + decoded + "\" not found.");
  }
  expect_error(ask("GET", "/"), 404, "Entity \"\" not found.");
}

TEST_F(HttpContract, AnyOtherMethodIs405WithTheAllowedOnes) {
  for (const auto* method : {"DELETE", "PATCH", "OPTIONS", "BREW"}) {
    const auto got = ask(method, "/");
    expect_error(got, 405, "not allowed");
    EXPECT_EQ(got.headers.at("allow"), "POST, PUT, GET, HEAD");
  }
}

TEST_F(HttpContract, AMessageThatBelongsToNoQueueIs422AndNotStored) {
  expect_error(ask("POST", "/", R"({"message":"Good morning"})"), 422,
               "I don't know which queue this message belongs to");
}

TEST_F(HttpContract, BadBodiesSayWhatIsWrong) {
  expect_error(ask("POST", "/", "{\"message\":"), 422, "at byte");
  expect_error(ask("POST", "/", std::string(1'000, '[')), 422, "at byte");
  expect_error(ask("POST", "/", R"({"message":7})"), 422, "must be a string");
  expect_error(ask("POST", "/", "{\"message\":\"\xff\"}"), 422, "at byte");
  expect_error(ask("POST", "/", R"({"message":"\u0000"})"), 422, "U+0000");
}

TEST_F(HttpContract, TheConnectionStaysUsableAfterARefusal) {
  raw_connection link(port_);
  EXPECT_EQ(link.ask("POST", "/", "nonsense").status, 422);
  EXPECT_EQ(link.ask("GET", "/nowhere").status, 404);
  EXPECT_EQ(link.ask("POST", "/", R"({"message":"Hi, "})").status, 201);
}

TEST_F(HttpContract, AnUnknownPathIs404) {
  EXPECT_EQ(ask("GET", "/nowhere").status, 404);
}

TEST_F(HttpContract, AStaleIfMatchIs412AndAMalformedOne400) {
  const auto id = post();
  EXPECT_EQ(ask("PUT", "/messages/" + id, R"({"message":"Hi, Eni."})", "If-Match: \"7\"\r\n").status, 412);
  EXPECT_EQ(ask("PUT", "/messages/" + id, R"({"message":"Hi, Eni."})", "If-Match: 7\r\n").status, 400);
}

TEST_F(HttpContract, ABodyOverTheLimitIs413) {
  raw_connection link(port_);
  const auto got = link.ask("POST", "/", R"({"message":")" + std::string(8'192, 'x') + R"("})");
  expect_error(got, 413, "broker.http.body_max_bytes");
  EXPECT_TRUE(link.closed());
}

TEST_F(HttpContract, AHeaderOverTheLimitIs431) {
  raw_connection link(port_);
  const auto got = link.ask("GET", "/", "", "X: " + std::string(40'000, 'x') + "\r\n");
  EXPECT_EQ(got.status, 431);
  EXPECT_TRUE(link.closed());
}

}  // namespace
}  // namespace amc::tests
