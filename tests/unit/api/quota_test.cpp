#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <deque>

#include "tests/support/broker_world.hpp"
#include "tests/support/known_by_name.hpp"

namespace amc::api {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

/// What one principal may take of a broker: tests/unit/access/quotas_test.cpp tells how it is counted.
class Quota : public testing::Test {
 protected:
  Quota() {
    who_->add("shop", "send:orders read:orders");
    who_->add("packer", "serve:orders");
    who_->add("chief", "send:* serve:* read:* operate:*");
  }

  tests::broker_world& with(const std::string& key, const std::string& value) {
    w_ = std::make_unique<tests::broker_world>(std::vector{"broker.access.quota." + key + "=" + value}, who_);
    return *w_;
  }
  http::request request(const std::string& name, const std::string& method, const std::string& target,
                        const std::string& body = "", const std::string& prefer = "") {
    http::request asked{method, target, {{"Authorization", "Bearer " + name}}, body};
    if (!prefer.empty()) asked.headers.add("Prefer", prefer);
    return asked;
  }
  http::response as(const std::string& name, const std::string& method, const std::string& target,
                    const std::string& body = "") {
    return w_->ask(method, target, body, {{"Authorization", "Bearer " + name}});
  }
  http::response post(const std::string& by = "shop") {
    return as(by, "POST", "/messages", R"({"message":"x","queue":"orders"})");
  }

  /// A request that waits, for as long as the broker is there.
  std::shared_ptr<std::optional<http::response>> start(http::request asked) {
    waiting_.push_back(std::move(asked));
    return w_->world.start(w_->api->handle(waiting_.back()));
  }

  std::deque<http::request> waiting_;
  std::shared_ptr<tests::known_by_name> who_ = std::make_shared<tests::known_by_name>();
  std::unique_ptr<tests::broker_world> w_;
};

TEST_F(Quota, OneRequestTooManyIsToldWhenToComeAgain) {
  with("requests_per_s", "2");
  EXPECT_EQ(as("shop", "GET", "/queues").status, 200);
  EXPECT_EQ(as("shop", "GET", "/queues").status, 200);
  const auto refused = as("shop", "GET", "/queues");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.find("Retry-After"), "1");
  EXPECT_THAT(refused.body, HasSubstr("broker.access.quota.requests_per_s"));
  EXPECT_EQ(as("chief", "GET", "/queues").status, 200) << "somebody else";
}

TEST_F(Quota, ItsBodyNeedNotBeRead) {
  with("requests_per_s", "1");
  as("shop", "GET", "/queues");
  const auto asked = request("shop", "POST", "/messages");
  const auto refused = w_->api->refuses_unread(asked, http::peer(1, "10.0.0.1"));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 429);
}

TEST_F(Quota, WhoIsOverItsRateIsAnsweredLater) {
  with("requests_per_s", "1");
  as("shop", "GET", "/queues");
  const auto late = start(request("shop", "GET", "/queues"));
  EXPECT_FALSE(*late);
  w_->world.advance(milliseconds(249));
  EXPECT_FALSE(*late);
  w_->world.advance(milliseconds(1));
  ASSERT_TRUE(*late);
  EXPECT_EQ((*late)->status, 429);
}

TEST_F(Quota, ProbesAreNotCounted) {
  with("requests_per_s", "1");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(as("shop", "GET", "/healthz").status, 200);
}

TEST_F(Quota, BodiesAndAnswersCount) {
  with("bytes_per_s", "1000");
  const auto large = R"({"message":")" + std::string(1'500, 'x') + R"(","queue":"orders"})";
  EXPECT_EQ(as("shop", "POST", "/messages", large).status, 202);
  EXPECT_EQ(as("shop", "GET", "/queues").status, 429);
  as("chief", "GET", "/messages");
  EXPECT_EQ(as("chief", "GET", "/queues").status, 429) << "its page had more";
  w_->world.advance(milliseconds(5'000));
  EXPECT_EQ(as("shop", "GET", "/queues").status, 200);
}

TEST_F(Quota, OnlySoManyRequestsWaitForMessages) {
  with("parked_max", "1");
  const auto id = std::string(json::parse(post().body).at("id").as_string());
  const auto waiting = start(request("shop", "GET", "/messages/" + id, "", "wait=5"));
  ASSERT_FALSE(*waiting);
  EXPECT_EQ(w_->ask("GET", "/messages/" + id, "", {{"Authorization", "Bearer shop"}, {"Prefer", "wait=5"}}).status,
            429);
  EXPECT_EQ(w_->ask("POST", "/messages", R"({"message":"x","queue":"orders"})",
                    {{"Authorization", "Bearer shop"}, {"Prefer", "wait=5"}})
                .status,
            429);
  EXPECT_EQ(json::parse(as("chief", "GET", "/messages").body).at("messages").as_array().size(), 1U)
      << "what is refused is not stored";
  as("chief", "DELETE", "/messages/" + id);
  w_->world.settle();
  EXPECT_TRUE(*waiting);
  EXPECT_EQ(w_->ask("GET", "/messages/" + id, "", {{"Authorization", "Bearer shop"}, {"Prefer", "wait=5"}}).status,
            200);
}

TEST_F(Quota, WhoMayNotWaitForWorkSettlesWhatItBringsAlong) {
  with("parked_max", "1");
  post();
  const auto delivery = json::parse(as("packer", "POST", "/queues/orders/receive", "{}").body).at("deliveries").at(0);
  const auto waiting = start(request("packer", "POST", "/queues/orders/receive", "{}", "wait=5"));
  ASSERT_FALSE(*waiting);
  const http::headers waits{{"Authorization", "Bearer packer"}, {"Prefer", "wait=5"}};
  EXPECT_EQ(w_->ask("POST", "/queues/orders/receive", R"({"worker":"b"})", waits).status, 429);
  const auto brought = R"({"worker":"b","answers":[{"id":)" + json::serialize(delivery.at("id")) +
                       R"(,"revision":1,"message":"y","done":true}]})";
  const auto settled = w_->ask("POST", "/queues/orders/receive", brought, waits);
  EXPECT_EQ(settled.status, 200);
  EXPECT_EQ(settled.headers.find("Retry-After"), "1");
  EXPECT_EQ(json::parse(settled.body).at("answers").at(0).at("status").as_string(), "done");
}

TEST_F(Quota, OnlySoManyOfItsMessagesArePending) {
  with("pending_max", "2");
  const auto id = std::string(json::parse(post().body).at("id").as_string());
  EXPECT_EQ(post().status, 202);
  const auto refused = post();
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.body, HasSubstr("broker.access.quota.pending_max"));
  EXPECT_EQ(post("chief").status, 202) << "somebody else";
  as("chief", "DELETE", "/messages/" + id);
  w_->world.advance(milliseconds(1'000));
  EXPECT_EQ(post().status, 202);
  EXPECT_EQ(post().status, 429);
}

TEST_F(Quota, WhatOtherBrokersAcceptIsNoticedWithinASecond) {
  with("pending_max", "2");
  EXPECT_EQ(post().status, 202);
  // As it comes from elsewhere: past what this broker counts.
  broker::life_cycle::accept_options options;
  options.to = to_queue{"orders"};
  options.owner = "shop";
  ASSERT_TRUE(w_->world.run(w_->messages->accept(w_->messages->new_id(), "x", options)));
  w_->world.advance(milliseconds(1'000));
  EXPECT_EQ(post().status, 429);
}

TEST_F(Quota, OfAListTheLastAreRefusedOneByOne) {
  with("pending_max", "2");
  const auto told =
      json::parse(as("shop", "POST", "/messages",
                     R"([{"message":"a","queue":"orders"},{"message":1e999,"x":1},{"message":"b","queue":"orders"},)"
                     R"({"message":"c","queue":"orders"}])")
                      .body);
  EXPECT_EQ(told.at(0).at("status").as_string(), "pending");
  EXPECT_EQ(told.at(1).at("refused").as_string(), "invalid");
  EXPECT_EQ(told.at(2).at("status").as_string(), "pending");
  EXPECT_EQ(told.at(3).at("refused").as_string(), "over_quota");
}

TEST_F(Quota, WithoutAccessThereIsNone) {
  w_ = std::make_unique<tests::broker_world>(std::vector<std::string>{"broker.access.quota.requests_per_s=1"});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(w_->ask("GET", "/queues").status, 200);
}

}  // namespace
}  // namespace amc::api
