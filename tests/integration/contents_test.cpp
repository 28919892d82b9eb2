#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "tests/support/binary.hpp"
#include "tests/support/postgresql.hpp"
#include "tests/support/raw_http.hpp"

/// Values, bytes and headers through the real binary and what its stores keep.
namespace amc::tests {
namespace {

using testing::HasSubstr;

class KeptContents : public testing::TestWithParam<const char*> {
 protected:
  KeptContents() {
    if (GetParam() == std::string("postgresql")) database_ = std::make_unique<postgresql_database>();
    start();
  }
  void start() {
    std::vector<std::string> sets{"broker.http.port=0", "broker.message_max_bytes=100",
                                  "broker.store.engine=" + std::string(GetParam())};
    if (database_) sets.push_back("broker.store.postgresql.url=" + database_->url());
    broker_.reset();
    broker_ = std::make_unique<process>(amc_command(folder_.path, {"broker"}, sets));
    port_ = port_of(*broker_);
  }
  answer post(const std::string& members) const {
    return ask(port_, "POST", "/queues/q/messages", "{" + members + "}");
  }

  temporary_folder folder_;
  std::unique_ptr<postgresql_database> database_;
  std::unique_ptr<process> broker_;
  std::uint16_t port_ = 0;
};

TEST_P(KeptContents, OutliveTheirBroker) {
  const auto value = post(R"("message":{"n": 2.50},"headers":{"a":"ü"})"), bytes = post(R"("message_base64":"AAH/")");
  const auto id_of = [](const answer& got) { return std::string(got.json().at("id").as_string()); };
  start();
  EXPECT_THAT(ask(port_, "GET", "/messages/" + id_of(value)).body,
              HasSubstr(R"("message":{"n": 2.50},"content_type":"application/json","headers":{"a":"ü"})"));
  EXPECT_THAT(ask(port_, "GET", "/messages/" + id_of(bytes)).body, HasSubstr(R"("message_base64":"AAH/")"));
  const auto received = ask(port_, "POST", "/queues/q/receive", R"({"max":2,"worker":"w"})");
  EXPECT_THAT(received.body, HasSubstr(R"("message":{"n": 2.50})"));
  EXPECT_THAT(received.body, HasSubstr(R"("message_base64":"AAH/")"));
  const auto told = ask(port_, "POST", "/queues/q/receive",
                        R"({"worker":"w","max":0,"answers":[{"id":")" + id_of(value) +
                            R"(","revision":1,"message":[1.0],"done":true}]})");
  EXPECT_THAT(told.body, HasSubstr(R"("status":"done")"));
  EXPECT_THAT(ask(port_, "GET", "/messages/" + id_of(value)).body, HasSubstr(R"("message":[1.0],)"));
}

TEST_P(KeptContents, AreBoundedAfterDecoding) {
  const std::string hundred_bytes = std::string(132, 'A') + "AA==";  // 3 · 33 + 1
  EXPECT_EQ(post(R"("message_base64":")" + hundred_bytes + "\"").status, 202);
  const auto larger = post(R"("message_base64":")" + std::string(136, 'A') + "\"");
  EXPECT_EQ(larger.status, 413);
  EXPECT_THAT(larger.body, HasSubstr("broker.message_max_bytes"));
  EXPECT_EQ(post(R"("message":[")" + std::string(97, 'a') + "\"]").status, 413);
}

TEST_P(KeptContents, WhatIsNoUtf8IsRefused) {
  EXPECT_EQ(post("\"message\":[\"\xff\"]").status, 422);
  EXPECT_EQ(post("\"message\":\"\",\"headers\":{\"\xff\":\"\"}").status, 422);
  EXPECT_EQ(ask(port_, "GET", "/messages").body, R"({"messages":[]})");
}

TEST_P(KeptContents, AListIsKeptOneByOne) {
  const auto reply = ask(port_, "POST", "/queues/q/messages",
                         R"([{"message":1,"idempotency_key":"k"},{"message":")" + std::string(101, 'x') +
                             R"("},{"message":1,"idempotency_key":"k"},{"message_base64":""}])");
  EXPECT_EQ(reply.status, 200);
  const auto told = reply.json().as_array();
  ASSERT_EQ(told.size(), 4U);
  EXPECT_EQ(told[1].at("refused"), "too_large");
  EXPECT_EQ(told[2].at("id"), told[0].at("id"));
  EXPECT_EQ(ask(port_, "GET", "/messages").json().at("messages").as_array().size(), 2U);
}

INSTANTIATE_TEST_SUITE_P(In, KeptContents, testing::Values("sqlite", "postgresql"),
                         [](const auto& store) { return std::string(store.param); });

}  // namespace
}  // namespace amc::tests
