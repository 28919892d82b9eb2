#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "core/time_text.hpp"
#include "tests/support/broker_world.hpp"
#include "tests/support/known_by_name.hpp"

/// What is gathered for GET /messages/{id}/explain; what follows from it is tests/unit/broker/explanation_test.cpp.
namespace amc::api {
namespace {

namespace json = boost::json;

class Explaining : public testing::Test {
 protected:
  std::string post(const std::string& queue, const std::string& more = "") {
    const auto reply = w_.ask("POST", "/queues/" + queue + "/messages", R"({"message":"x")" + more + "}");
    return std::string(json::parse(reply.body).at("id").as_string());
  }
  json::value receive(const std::string& queue, const std::string& max = "1") {
    const auto reply = w_.ask("POST", "/queues/" + queue + "/receive",
                              R"({"service":"invoicer","worker":"w1","in_hand":9,"max":)" + max + "}");
    return json::parse(reply.body).at("deliveries");
  }
  void answer(const json::value& delivery) {
    json::object outcome{{"message", "y"}, {"done", true}};
    for (const auto* name : {"id", "revision", "claim"}) outcome[name] = delivery.at(name);
    w_.ask("POST", "/answers", json::serialize(json::array{outcome}));
  }
  json::value explained(const std::string& id) {
    return json::parse(w_.ask("GET", "/messages/" + id + "/explain").body);
  }
  std::string reason(const std::string& id) { return std::string(explained(id).at("reason").as_string()); }

  tests::broker_world w_;
};

TEST_F(Explaining, OlderOnesAreCounted) {
  receive("orders");
  post("orders");
  w_.world.advance(milliseconds(1));
  post("orders");
  w_.world.advance(milliseconds(1));
  const auto told = explained(post("orders"));
  EXPECT_EQ(told.at("reason"), "backlog");
  EXPECT_EQ(told.at("queue"), "orders");
  EXPECT_EQ(told.at("data").at("older"), 2);
  EXPECT_EQ(told.at("data").at("services").at(0).at("name"), "invoicer");
}

TEST_F(Explaining, AnAnswerThatWasRefusedIsTold) {
  const auto id = post("orders");
  json::object outcome = receive("orders").at(0).as_object();
  const json::object nowhere{
      {"id", id}, {"revision", 1}, {"claim", outcome.at("claim")}, {"message", "y"}, {"queue", "no queue"}};
  w_.ask("POST", "/answers", json::serialize(json::array{nowhere}));
  const auto told = explained(id);
  EXPECT_EQ(told.at("reason"), "held");
  EXPECT_THAT(std::string(told.at("sentence").as_string()), testing::HasSubstr("; its answer was refused: "));
  EXPECT_TRUE(told.at("data").as_object().contains("refused_answer"));
}

TEST_F(Explaining, AWorkerThatDoesNotLookAtARefusalHasFailed) {
  const auto id = post("orders");
  const auto ask = [&](const std::string& outcomes) {
    const auto reply = w_.ask("POST", "/queues/orders/receive", R"({"worker":"w")" + outcomes + "}");
    return json::parse(reply.body).at("deliveries").as_array();
  };
  const json::object nowhere{{"id", id}, {"revision", 1}, {"message", "y"}, {"queue", "no queue"}};
  ASSERT_EQ(ask("").size(), 1U);
  ask(",\"answers\":" + json::serialize(json::array{nowhere}));
  EXPECT_EQ(ask("").size(), 0U) << "it is tried again after a pause, and not at once";
  const auto told = explained(id);
  EXPECT_EQ(told.at("reason"), "back_off");
  EXPECT_THAT(std::string(told.at("data").at("error").as_string()), testing::StartsWith("its answer was refused: "));
}

TEST_F(Explaining, NothingIsSaidOfAnAnswerToAnEarlierRevision) {
  const auto id = post("orders");
  const auto delivery = receive("orders").at(0);
  const json::object nowhere{
      {"id", id}, {"revision", 1}, {"claim", delivery.at("claim")}, {"message", "y"}, {"queue", "no queue"}};
  w_.ask("POST", "/answers", json::serialize(json::array{nowhere}));
  w_.ask("POST", "/answers",
         json::serialize(json::array{json::object{{"id", id}, {"revision", 1}, {"message", "y"}, {"queue", "bills"}}}));
  EXPECT_FALSE(explained(id).at("data").as_object().contains("refused_answer"));
}

TEST_F(Explaining, NobodyCanClaimWhatIsInAStoreThatIsFull) {
  const auto id = post("orders");
  w_.disk->failing_writes = unavailable(unavailable::reason::full, "no room");
  EXPECT_THROW(post("orders"), unavailable);
  const auto told = explained(id);
  EXPECT_EQ(told.at("reason"), "store_away");
  EXPECT_THAT(std::string(told.at("sentence").as_string()), testing::EndsWith("nobody can claim it: no room"));
}

TEST_F(Explaining, WhoHoldsItAndSinceWhenIsKnown) {
  const auto id = post("orders");
  receive("orders");
  w_.world.advance(milliseconds(3'000));
  const auto told = explained(id);
  EXPECT_EQ(told.at("reason"), "held");
  EXPECT_EQ(told.at("data").at("holder"), "invoicer/w1");
  EXPECT_EQ(told.at("data").at("held_for_ms"), 3'000);
}

TEST_F(Explaining, NobodyReceivesUntilSomebodyAsks) {
  const auto id = post("topc-a");
  receive("topic-a");
  const auto told = explained(id);
  EXPECT_EQ(told.at("reason"), "nobody_receives");
  EXPECT_EQ(told.at("data").at("nearest_queue"), "topic-a");
  post("topc-a");
  receive("topc-a");  // the older one
  EXPECT_EQ(reason(post("topc-a")), "backlog");
}

TEST_F(Explaining, WhoReceivesThroughAnotherBrokerIsKnown) {
  w_.parts->run(false);
  const auto id = post("topic-a"), misspelt = post("topc-a");
  EXPECT_EQ(reason(id), "nobody_receives");
  w_.elsewhere.push_back({.received = {{"topic-a", {{"invoicer", milliseconds(3'000)}}}}});
  w_.world.advance(milliseconds(1'000));
  const auto told = explained(id);
  EXPECT_EQ(told.at("reason"), "next");
  EXPECT_EQ(told.at("data").at("services").at(0).at("name"), "invoicer");
  EXPECT_EQ(explained(misspelt).at("data").at("nearest_queue"), "topic-a");
}

TEST_F(Explaining, AMessageThatIsDoneSaysByWhom) {
  const auto id = post("orders");
  answer(receive("orders").at(0));
  const auto told = explained(id);
  EXPECT_EQ(told.at("reason"), "done");
  EXPECT_EQ(told.at("data").at("by"), "invoicer/w1");
}

TEST_F(Explaining, AnEstimateComesOfThePaceThatWasSeen) {
  for (int i = 0; i < 200; ++i) {
    post("orders");
    w_.world.advance(milliseconds(1));
  }
  const auto last = post("orders");
  for (int i = 0; i < 100; ++i) {
    w_.world.advance(milliseconds(200));
    answer(receive("orders").at(0));
  }
  const auto told = explained(last).at("data");
  EXPECT_NEAR(told.at("rate_per_s").to_number<double>(), 5, 0.5);
  EXPECT_NEAR(told.at("taken_in_ms").at("likely").to_number<double>(), 20'000, 2'000);
}

TEST_F(Explaining, ThereIsNoEstimateWhereOtherProcessesWorkOnTheStore) {
  for (int i = 0; i < 60; ++i) post("orders");
  const auto last = post("orders");
  for (int i = 0; i < 50; ++i) {
    w_.world.advance(milliseconds(200));
    answer(receive("orders").at(0));
  }
  ASSERT_TRUE(explained(last).at("data").as_object().contains("taken_in_ms"));
  w_.parts->run(false);
  w_.elsewhere.push_back({.everything = true});  // as is looked for now and then
  w_.world.advance(milliseconds(1'000));
  ASSERT_TRUE(explained(last).at("data").as_object().contains("taken_in_ms"));
  w_.elsewhere.push_back({.ids = {uuid{}}, .from = {"another"}});
  w_.world.advance(milliseconds(1'000));
  EXPECT_FALSE(explained(last).at("data").as_object().contains("taken_in_ms"));
}

TEST_F(Explaining, WhatIsToBeDeliveredLaterHasWaitedSinceThenOnly) {
  const auto in_10_s = R"(,"deliver_at":")" + to_rfc3339(w_.world.wall_clock() + milliseconds(10'000)) + "\"";
  post("looked", in_10_s);
  w_.world.advance(milliseconds(13'000));
  ASSERT_EQ(receive("looked").as_array().size(), 1U);
  EXPECT_THAT(w_.ask("GET", "/metrics").body, testing::HasSubstr(R"(amc_message_wait_seconds_sum{queue="looked"} 3)"));
}

TEST_F(Explaining, WhatIsToBeDeliveredLaterHasWaitedSinceThenOnlyWhereAnEngineRingsIt) {
  const auto in_10_s = R"(,"deliver_at":")" + to_rfc3339(w_.world.wall_clock() + milliseconds(10'000)) + "\"";
  const auto id = post("rung", in_10_s);
  w_.parts->run(false);
  w_.world.advance(milliseconds(13'000));
  ASSERT_EQ(w_.depth("rung"), 1U);
  w_.ask("POST", "/claims", R"([{"id":")" + id + R"(","revision":1}])");
  EXPECT_THAT(w_.ask("GET", "/metrics").body, testing::HasSubstr(R"(amc_message_wait_seconds_sum{queue="rung"} 3)"));
}

TEST_F(Explaining, TheNearestQueueIsOneThatMayBeRead) {
  const auto who = std::make_shared<tests::known_by_name>();
  who->add("chief", "send:* serve:* read:*");
  who->add("reader", "read:topc-a");
  tests::broker_world w({}, who);
  const auto as = [&](const std::string& name, const std::string& method, const std::string& target,
                      const std::string& body = "") {
    return json::parse(w.ask(method, target, body, {{"Authorization", "Bearer " + name}}).body);
  };
  as("chief", "POST", "/queues/topic-a/receive", "{}");
  const auto id =
      std::string(as("chief", "POST", "/queues/topc-a/messages", R"({"message":"x"})").at("id").as_string());
  const auto nearest = [&](const std::string& name) {
    return as(name, "GET", "/messages/" + id + "/explain").at("data").as_object().contains("nearest_queue");
  };
  EXPECT_TRUE(nearest("chief"));
  EXPECT_FALSE(nearest("reader"));
}

}  // namespace
}  // namespace amc::api
