#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "core/log.hpp"
#include "tests/support/broker_world.hpp"
#include "tests/support/known_by_name.hpp"

/// What operators do to messages and queues.
namespace amc::api {
namespace {

namespace json = boost::json;

class Operations : public testing::Test {
 protected:
  std::string post(const std::string& queue, const std::string& more = "") {
    const auto reply = w_.ask("POST", "/queues/" + queue + "/messages", R"({"message":"x")" + more + "}");
    return std::string(json::parse(reply.body).at("id").as_string());
  }
  json::array receive(const std::string& queue) {
    const auto reply =
        w_.ask("POST", "/queues/" + queue + "/receive", R"({"service":"s","worker":"w","in_hand":9,"max":9})");
    return json::parse(reply.body).at("deliveries").as_array();
  }
  void fail(const json::value& delivery, bool is_final) {
    json::object outcome{{"error", "no paper"}, {"final", is_final}};
    for (const auto* name : {"id", "revision", "claim"}) outcome[name] = delivery.at(name);
    ASSERT_EQ(w_.ask("POST", "/failures", json::serialize(json::array{outcome})).status, 200);
  }
  /// A dead letter.
  std::string kill(const std::string& queue) {
    const auto id = post(queue);
    fail(receive(queue).at(0), true);
    EXPECT_EQ(find(id).at("status"), "dead");
    return id;
  }
  json::value find(const std::string& id) { return json::parse(w_.ask("GET", "/messages/" + id).body); }
  http::response act(const std::string& id, const std::string& what, const std::string& body = "") {
    return w_.ask("POST", "/messages/" + id + "/" + what, body);
  }
  http::response act_on(const std::string& queue, const std::string& what, const std::string& body = "") {
    return w_.ask("POST", "/queues/" + queue + "/" + what, body);
  }
  json::value queue(const std::string& name) { return json::parse(w_.ask("GET", "/queues/" + name).body); }
  static std::string detail(const http::response& reply) {
    return std::string(json::parse(reply.body).at("detail").as_string());
  }
  static std::string last_step(const std::string& history) {
    return std::string(json::parse(history).at("history").as_array().back().at("what").as_string());
  }

  tests::broker_world w_;
};

TEST_F(Operations, LeaveALineInTheLogAlsoWhereNobodyIsAskedWhoTheyAre) {
  std::vector<std::string> lines;
  log::redirect([&](const log::line& line) {
    if (line.component == "access") lines.emplace_back(line.text);
  });
  const auto id = post("orders", R"(,"deliver_at":"2999-01-01T00:00:00Z")");
  act(id, "move", R"({"queue":"bills"})");
  act(id, "run-now");
  w_.ask("DELETE", "/messages/" + id);
  log::redirect(nullptr);
  EXPECT_THAT(lines,
              testing::ElementsAre(
                  testing::AllOf(testing::HasSubstr("POST /messages/*/move, " + id), testing::HasSubstr("bills")),
                  "POST /messages/*/run-now, " + id + ": due now", "DELETE /messages/*, " + id + ": cancelled"));
}

TEST_F(Operations, FromAPausedQueueNobodyReceivesAndWhatIsPostedWaits) {
  post("orders");
  EXPECT_EQ(act_on("orders", "pause").status, 200);
  post("orders");
  EXPECT_EQ(receive("orders").size(), 0U);
  EXPECT_EQ(queue("orders").at("pending"), 2);
  EXPECT_EQ(act_on("orders", "resume").status, 200);
  EXPECT_EQ(receive("orders").size(), 2U);
}

TEST_F(Operations, APauseTellsSinceWhenAndAQueueThatIsPausedAlreadyStaysSo) {
  const auto told = json::parse(act_on("orders", "pause").body);
  w_.world.advance(milliseconds(5'000));
  EXPECT_EQ(json::parse(act_on("orders", "pause", "{}").body), told);
  EXPECT_EQ(queue("orders").at("paused"), told.at("paused"));
  EXPECT_TRUE(queue("others").at("paused").is_null());
  EXPECT_TRUE(json::parse(act_on("orders", "resume").body).at("paused").is_null());
  EXPECT_TRUE(queue("orders").at("paused").is_null());
}

TEST_F(Operations, APausedQueueIsListedThoughNothingWasEverInIt) {
  act_on("empty", "pause");
  const auto listed = json::parse(w_.ask("GET", "/queues").body).at("queues").as_array();
  EXPECT_TRUE(std::any_of(listed.begin(), listed.end(), [](const auto& q) { return q.at("queue") == "empty"; }));
}

TEST_F(Operations, AClaimInAPausedQueueIsRefusedAndOneThatIsHeldStays) {
  const auto held = post("orders");
  const auto delivery = receive("orders").at(0);
  const auto id = post("orders");
  act_on("orders", "pause");
  const auto refused = json::parse(w_.ask("POST", "/claims", R"([{"id":")" + id + R"(","revision":1}])").body).at(0);
  EXPECT_EQ(refused.at("refused"), "held");
  EXPECT_THAT(std::string(refused.at("detail").as_string()), testing::HasSubstr("orders is paused since"));
  json::object answer{{"id", held}, {"revision", 1}, {"message", "y"}, {"done", true}, {"claim", delivery.at("claim")}};
  w_.ask("POST", "/answers", json::serialize(json::array{answer}));
  EXPECT_EQ(find(held).at("status"), "done");
}

TEST_F(Operations, WhatWaitsInAPausedQueueIsExplainedSo) {
  const auto id = post("orders");
  const auto scheduled = post("orders", R"(,"deliver_at":"2999-01-01T00:00:00Z")");
  act_on("orders", "pause");
  const auto told = json::parse(w_.ask("GET", "/messages/" + id + "/explain").body);
  EXPECT_EQ(told.at("reason"), "paused");
  EXPECT_EQ(told.at("data").at("paused"), queue("orders").at("paused"));
  const auto later = json::parse(w_.ask("GET", "/messages/" + scheduled + "/explain").body);
  EXPECT_EQ(later.at("reason"), "scheduled");
  EXPECT_THAT(std::string(later.at("sentence").as_string()), testing::HasSubstr("; orders is paused since"));
}

TEST_F(Operations, APauseIsMeasured) {
  act_on("orders", "pause");
  EXPECT_THAT(w_.ask("GET", "/metrics").body, testing::HasSubstr("amc_queue_paused{queue=\"orders\"} 1"));
}

TEST_F(Operations, NoQueueOfANameThatNoneCanHaveIsPaused) {
  EXPECT_EQ(act_on("no%20queue", "pause").status, 422);
  EXPECT_EQ(act_on("no%20queue", "resume").status, 422);
  EXPECT_EQ(act_on("orders", "pause", R"({"reason":"x"})").status, 422);
  EXPECT_EQ(act_on("orders", "resume", "[]").status, 422);
}

TEST_F(Operations, WhatWaitsForItsDateIsRunNow) {
  const auto id = post("orders", R"(,"deliver_at":"2999-01-01T00:00:00Z")");
  EXPECT_EQ(receive("orders").size(), 0U);
  EXPECT_EQ(act(id, "run-now").status, 200);
  EXPECT_EQ(last_step(w_.ask("GET", "/messages/" + id + "/history").body), "run_now");
  EXPECT_EQ(receive("orders").size(), 1U);
}

TEST_F(Operations, WhatWaitsAlreadyIsNotPutBehindOthersByRunningItNow) {
  const auto first = post("orders"), second = post("orders");
  const auto told = act(first, "run-now");
  EXPECT_EQ(told.status, 409);
  EXPECT_THAT(detail(told), testing::HasSubstr("waits in orders already"));
  const auto delivered = receive("orders");
  ASSERT_EQ(delivered.size(), 2U);
  EXPECT_EQ(delivered.at(0).at("id"), json::value(first));
}

TEST_F(Operations, WhatHasForgottenItsFirstStepsDoesNotGuessHowLongItWaited) {
  const auto id = post("orders");
  for (int i = 0; i < 20; ++i) {
    fail(receive("orders").at(0), false);
    const bool is_dead = find(id).at("status") == "dead";
    EXPECT_EQ(act(id, is_dead ? "retry" : "run-now").status, 200);
  }
  const auto told = json::parse(w_.ask("GET", "/messages/" + id + "/history").body);
  const auto& steps = told.at("history").as_array();
  ASSERT_EQ(steps.size(), 32U);
  for (const auto& step : steps) {
    if (step.at("what") != "failed" || &step == &steps.front()) continue;
    EXPECT_TRUE(step.as_object().contains("waited_ms"));
  }
  EXPECT_FALSE(steps.front().as_object().contains("waited_ms"));
}

TEST_F(Operations, ABackOffIsCutShortAndTheFailureStaysCounted) {
  const auto id = post("orders");
  fail(receive("orders").at(0), false);
  EXPECT_EQ(receive("orders").size(), 0U);
  EXPECT_EQ(act(id, "run-now").status, 200);
  EXPECT_EQ(find(id).at("failures"), 1);
  EXPECT_EQ(receive("orders").size(), 1U);
}

TEST_F(Operations, WhatSomebodyWorksOnIsNeitherRunNorMoved) {
  const auto id = post("orders");
  receive("orders");
  for (const auto& refused : {act(id, "run-now"), act(id, "move", R"({"queue":"others"})")}) {
    EXPECT_EQ(refused.status, 409);
    EXPECT_THAT(detail(refused), testing::HasSubstr("Somebody works on this revision (s/w)"));
  }
}

TEST_F(Operations, WhatHasEndedIsNeitherRunNorMoved) {
  const auto id = kill("orders");
  EXPECT_EQ(act(id, "run-now").status, 409);
  EXPECT_EQ(act(id, "move", R"({"queue":"others"})").status, 409);
  EXPECT_EQ(act("nonsense", "run-now").status, 404);
  EXPECT_EQ(act("nonsense", "move", R"({"queue":"others"})").status, 404);
}

TEST_F(Operations, AMovedMessageWaitsElsewhereAndIsToldSo) {
  const auto id = post("ordres");
  EXPECT_EQ(act(id, "move", R"({"queue":"orders"})").status, 200);
  EXPECT_EQ(find(id).at("queue"), "orders");
  EXPECT_EQ(last_step(w_.ask("GET", "/messages/" + id + "/history").body), "moved");
  EXPECT_EQ(receive("ordres").size(), 0U);
  EXPECT_EQ(receive("orders").size(), 1U);
}

TEST_F(Operations, AMovedMessageKeepsItsDate) {
  const auto id = post("ordres", R"(,"deliver_at":"2999-01-01T00:00:00Z")");
  EXPECT_EQ(act(id, "move", R"({"queue":"orders"})").status, 200);
  EXPECT_EQ(find(id).at("due"), "2999-01-01T00:00:00.000Z");
  EXPECT_EQ(receive("orders").size(), 0U);
}

TEST_F(Operations, AMoveNamesOneQueueThatThereMayBe) {
  const auto id = post("orders");
  EXPECT_EQ(act(id, "move").status, 422);
  EXPECT_EQ(act(id, "move", R"({"queue":"no queue"})").status, 422);
  EXPECT_EQ(act(id, "move", R"({"queue":"others","done":false})").status, 422);
  EXPECT_EQ(act(id, "move", R"({"queue":7})").status, 422);
}

TEST_F(Operations, ADeadMessageIsEditedAndItsNextRevisionIsTried) {
  const auto id = kill("orders");
  EXPECT_EQ(act(id, "retry", R"({"message":{"boxes":2},"headers":{"mended":"yes"}})").status, 200);
  const auto delivery = receive("orders").at(0);
  EXPECT_EQ(delivery.at("revision"), 2);
  EXPECT_EQ(delivery.at("message").at("boxes"), 2);
  EXPECT_EQ(delivery.at("headers").at("mended"), "yes");
  EXPECT_EQ(last_step(w_.ask("GET", "/messages/" + id + "/history").body), "edited");
}

TEST_F(Operations, AnEditIsOfTheRevisionThatItNames) {
  const auto id = kill("orders");
  const auto edit = [&](const char* if_match) {
    return w_.ask("POST", "/messages/" + id + "/retry", R"({"message":"y"})", {{"If-Match", if_match}});
  };
  const auto other = edit("\"2\"");
  EXPECT_EQ(other.status, 412);
  EXPECT_EQ(detail(other), "The message is at revision 1, not 2.");
  EXPECT_EQ(edit("one").status, 400);
  EXPECT_EQ(find(id).at("status"), "dead");
  EXPECT_EQ(edit("\"1\"").status, 200);
}

TEST_F(Operations, ARetryInTheMomentOfAFailureIsNoFailure) {
  const auto id = kill("orders");
  EXPECT_EQ(act(id, "retry").status, 200);
  const auto told = json::parse(w_.ask("GET", "/messages/" + id + "/history").body);
  const auto& steps = told.at("history").as_array();
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_EQ(steps[0].at("at"), steps[1].at("at"));
  EXPECT_EQ(steps[0].at("error"), "no paper");
  EXPECT_FALSE(steps[1].as_object().contains("error"));
}

TEST_F(Operations, ADeadMessageIsTriedInAnotherQueueAsItIs) {
  const auto id = kill("ordres");
  EXPECT_EQ(act(id, "retry", R"({"queue":"orders"})").status, 200);
  const auto delivery = receive("orders").at(0);
  EXPECT_EQ(delivery.at("id").as_string(), id);
  EXPECT_EQ(delivery.at("revision"), 1);
}

TEST_F(Operations, AnEditIsRefusedAsAPostIs) {
  const auto id = kill("orders");
  const std::string large(2 << 20, 'x');
  EXPECT_EQ(act(id, "retry", R"({"message":")" + large + "\"}").status, 413);
  EXPECT_EQ(act(id, "retry", R"({"mesage":"y"})").status, 422);
  EXPECT_EQ(act(id, "retry", R"({"content_type":"text/plain"})").status, 422);
  EXPECT_EQ(act(id, "retry", R"({"message":"y","queue":"no queue"})").status, 422);
  EXPECT_EQ(find(id).at("status"), "dead");
}

TEST_F(Operations, WhatIsPendingIsNotEdited) {
  const auto id = post("orders");
  EXPECT_EQ(act(id, "retry", R"({"message":"y"})").status, 409);
  EXPECT_EQ(find(id).at("message"), "x");
}

TEST_F(Operations, APurgeCancelsWhatWaitsAndLeavesWhatSomebodyWorksOn) {
  const auto held = post("orders");
  receive("orders");
  std::vector<std::string> ids;
  for (int i = 0; i < 250; ++i) ids.push_back(post("orders"));
  const auto other = post("others");
  const auto scheduled = post("orders", R"(,"deliver_at":"2999-01-01T00:00:00Z")");
  EXPECT_EQ(json::parse(act_on("orders", "purge").body).at("running"), true);
  EXPECT_EQ(act_on("orders", "purge").status, 409) << "one at a time";
  w_.world.advance(milliseconds(1'000));
  const auto told = json::parse(w_.ask("GET", "/queues/orders/purge").body);
  EXPECT_EQ(told, json::parse(R"({"queue":"orders","running":false,"cancelled":251,"left":1})"));
  for (const auto& id : ids) EXPECT_EQ(find(id).at("status"), "cancelled");
  EXPECT_EQ(find(scheduled).at("status"), "cancelled");
  EXPECT_EQ(find(held).at("status"), "pending");
  EXPECT_EQ(find(other).at("status"), "pending");
  EXPECT_EQ(act(ids.front(), "retry").status, 200) << "nothing is lost by it";
}

TEST_F(Operations, APurgeLeavesWhatCameAfterItsBeginning) {
  for (int i = 0; i < 150; ++i) post("orders");
  act_on("orders", "purge");
  w_.world.advance(milliseconds(1));
  const auto later = post("orders");
  w_.world.advance(milliseconds(1'000));
  EXPECT_EQ(find(later).at("status"), "pending");
  EXPECT_EQ(queue("orders").at("pending"), 1);
}

TEST_F(Operations, APurgeGoesOnWhenTheStoreIsBack) {
  for (int i = 0; i < 150; ++i) post("orders");
  act_on("orders", "purge");
  w_.disk->failing_writes = unavailable(unavailable::reason::away, "away");
  w_.world.advance(milliseconds(500));
  w_.disk->failing_writes.reset();
  w_.world.advance(milliseconds(3'000));
  EXPECT_EQ(json::parse(w_.ask("GET", "/queues/orders/purge").body).at("cancelled"), 150);
}

TEST_F(Operations, TheLastPurgeOfAnotherQueueIsNotToldForThisOne) {
  post("orders");
  act_on("orders", "purge");
  w_.world.advance(milliseconds(1'000));
  EXPECT_EQ(json::parse(w_.ask("GET", "/queues/others/purge").body).at("cancelled"), 0);
}

class OperationsWithRights : public testing::Test {
 protected:
  OperationsWithRights() {
    who_->add("client", "send:*");
    who_->add("operator", "operate:orders operate:returns read:orders");
    who_->add("chief", "send:* serve:* read:* operate:*");
  }
  http::response as(const std::string& name, const std::string& target, const std::string& body = "") {
    return w_.ask("POST", target, body, {{"Authorization", "Bearer " + name}});
  }
  std::string post(const std::string& queue) {
    const auto reply = as("client", "/queues/" + queue + "/messages", R"({"message":"x"})");
    return std::string(json::parse(reply.body).at("id").as_string());
  }

  std::shared_ptr<tests::known_by_name> who_ = std::make_shared<tests::known_by_name>();
  tests::broker_world w_{{}, who_};
};

TEST_F(OperationsWithRights, AMoveTakesTheRightToOperateInBothQueues) {
  const auto id = post("orders");
  EXPECT_EQ(as("operator", "/messages/" + id + "/move", R"({"queue":"elsewhere"})").status, 403);
  EXPECT_EQ(as("operator", "/messages/" + id + "/move", R"({"queue":"returns"})").status, 200);
  const auto foreign = post("elsewhere");
  EXPECT_EQ(as("operator", "/messages/" + foreign + "/move", R"({"queue":"orders"})").status, 404);
}

TEST_F(OperationsWithRights, ARetryInAnotherQueueTakesTheRightToOperateThere) {
  const auto id = post("orders");
  w_.ask("DELETE", "/messages/" + id, "", {{"Authorization", "Bearer operator"}});
  EXPECT_EQ(as("operator", "/messages/" + id + "/retry", R"({"queue":"elsewhere"})").status, 403);
  EXPECT_EQ(as("operator", "/messages/" + id + "/retry", R"({"queue":"returns"})").status, 200);
}

TEST_F(OperationsWithRights, APauseNamesWhoAskedForIt) {
  const auto told = json::parse(as("operator", "/queues/orders/pause").body);
  EXPECT_EQ(told.at("paused").at("by"), "operator");
  EXPECT_EQ(as("operator", "/queues/elsewhere/pause").status, 403);
  EXPECT_EQ(as("client", "/queues/orders/resume").status, 403);
}

TEST_F(OperationsWithRights, WhichQueueIsBeingPurgedIsToldToNobodyElse) {
  for (int i = 0; i < 150; ++i) post("elsewhere");
  EXPECT_EQ(as("chief", "/queues/elsewhere/purge").status, 200);
  const auto refused = as("operator", "/queues/orders/purge");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(json::parse(refused.body).at("detail"), "Another queue is being purged; try again when that is done.");
}

TEST_F(OperationsWithRights, APurgeEndsWhenItsStarterIsKnownNoMore) {
  for (int i = 0; i < 150; ++i) post("orders");
  as("operator", "/queues/orders/purge");
  who_->remove("operator");
  w_.world.advance(milliseconds(1'000));
  const auto told = w_.ask("GET", "/queues/orders/purge", "", {{"Authorization", "Bearer chief"}});
  EXPECT_EQ(json::parse(told.body).at("stopped_because"), "who has started it is not known any more");
  EXPECT_LT(json::parse(told.body).at("cancelled").as_int64(), 150);
}

}  // namespace
}  // namespace amc::api
