#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "core/log.hpp"
#include "tests/support/broker_world.hpp"
#include "tests/support/known_by_name.hpp"

namespace amc::api {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// What the table of principals and endpoints (access_table_test.cpp) does not tell.
class Access : public testing::Test {
 protected:
  Access() {
    log::redirect([this](const log::line& line) {
      if (line.component == "access") lines_.emplace_back(line.text);
    });
    who_->add("shop", "send:orders");
    who_->add("packer", "serve:orders");
    who_->add("biller", "serve:invoices");
    who_->add("reader", "read:orders read:team-*");
    who_->add("chief", "send:* serve:* read:* operate:*");
  }
  ~Access() override { log::redirect(nullptr); }

  http::response as(const std::string& name, const std::string& method, const std::string& target,
                    const std::string& body = "", http::headers headers = {}) {
    headers.add("Authorization", "Bearer " + name);
    return w_.ask(method, target, body, headers);
  }
  static json::value body(const http::response& reply) { return json::parse(reply.body); }
  static std::string text_of(const http::response& reply, std::string_view member) {
    return std::string(body(reply).at(member).as_string());
  }
  std::string post(const std::string& queue, const std::string& by = "chief") {
    return text_of(as(by, "POST", "/messages", R"({"message":"x","queue":")" + queue + "\"}"), "id");
  }
  json::value receive(const std::string& by, const std::string& queue, const std::string& told = "{}") {
    return body(as(by, "POST", "/queues/" + queue + "/receive", told));
  }
  static std::string entry(const std::string& id, std::int64_t claim, const std::string& more = "") {
    return R"({"id":")" + id + R"(","revision":1,"claim":)" + std::to_string(claim) + more + "}";
  }
  static std::string refused(const json::value& outcome) {
    const auto* why = outcome.as_object().if_contains("refused");
    return why ? std::string(why->as_string()) : "no";
  }
  static std::vector<std::string> ids_in(const http::response& page) {
    std::vector<std::string> ids;
    const auto listed = body(page);
    for (const auto& m : listed.at("messages").as_array()) ids.emplace_back(m.at("id").as_string());
    return ids;
  }

  std::shared_ptr<tests::known_by_name> who_ = std::make_shared<tests::known_by_name>();
  tests::broker_world w_{
      {R"(broker.routes=[{match: "^ship", queue: shipping, from: [orders]}, {match: "^bill", queue: invoices}])"},
      who_};
  std::vector<std::string> lines_;
};

TEST_F(Access, WhereAPageEndsAmongOthersMessagesNamesNoneOfThem) {
  w_.disk->looked_at_max = 2;
  std::vector<std::string> hidden;
  for (int i = 0; i < 100; ++i) {
    hidden.push_back(post("invoices"));
    w_.world.advance(milliseconds(1));
  }
  const auto listed = body(as("reader", "GET", "/messages"));
  EXPECT_TRUE(listed.at("messages").as_array().empty());
  EXPECT_THAT(hidden, Not(testing::Contains(std::string(listed.at("next").as_string()))));
}

TEST_F(Access, NobodyIsToldWhichPathsThereAre) {
  for (const auto* path : {"/nowhere", "/messages/x", "/"}) {
    const auto reply = w_.ask("GET", path);
    EXPECT_EQ(reply.status, 401) << path;
    EXPECT_EQ(reply.headers.find("WWW-Authenticate"), "Bearer");
  }
  EXPECT_EQ(w_.ask("DELETE", "/queues").status, 401);
  EXPECT_EQ(as("shop", "GET", "/nowhere").status, 404);
}

TEST_F(Access, AnybodyMayAskWhetherItLivesAndHearsOneWord) {
  EXPECT_EQ(w_.ask("GET", "/healthz").body, R"({"status":"ok"})");
  EXPECT_EQ(w_.ask("GET", "/readyz").body, R"({"status":"ok"})");
}

TEST_F(Access, AnOwnerSeesWhatItSaidAndNotWhatBecameOfItInside) {
  const auto id = post("orders", "shop");
  const auto claim = receive("packer", "orders").at("deliveries").at(0).at("claim").as_int64();
  as("packer", "POST", "/failures", "[" + entry(id, claim, R"(,"error":"no paper")") + "]");
  const auto shown = body(as("shop", "GET", "/messages/" + id)).as_object();
  EXPECT_EQ(shown.at("message"), "x");
  for (const auto* inner : {"queue", "attempts", "claim", "holder", "failures", "due"})
    EXPECT_FALSE(shown.contains(inner)) << inner;
  EXPECT_TRUE(body(as("reader", "GET", "/messages/" + id)).as_object().contains("attempts"));
}

TEST_F(Access, AttemptsAreForThoseWhoMayReadTheQueueThatTheyWereIn) {
  who_->add("second", "read:second");
  const auto id = post("orders");
  const auto claim = receive("packer", "orders").at("deliveries").at(0).at("claim").as_int64();
  as("packer", "POST", "/failures", "[" + entry(id, claim, R"(,"error":"no paper")") + "]");
  as("chief", "PUT", "/messages/" + id, R"({"message":"y","queue":"second"})", {{"If-Match", "\"1\""}});
  EXPECT_FALSE(body(as("second", "GET", "/messages/" + id)).as_object().contains("attempts"));
  EXPECT_TRUE(body(as("chief", "GET", "/messages/" + id)).as_object().contains("attempts"));
}

TEST_F(Access, WhatIsFinishedKeepsTheRightsOfItsLastQueue) {
  const auto id = post("orders");
  const auto claim = receive("packer", "orders").at("deliveries").at(0).at("claim").as_int64();
  as("packer", "POST", "/answers", "[" + entry(id, claim, R"(,"message":"y","done":true)") + "]");
  EXPECT_EQ(as("reader", "GET", "/messages/" + id).status, 200);
  EXPECT_EQ(as("biller", "GET", "/messages/" + id).status, 404);
}

TEST_F(Access, ListsShowWhatMayBeReadAndGoOnBehindIt) {
  std::vector<std::string> mine;
  for (int i = 0; i < 3; ++i) {
    post("secret");
    mine.push_back(post(i == 1 ? "team-a" : "orders"));
    post("secret");
  }
  EXPECT_EQ(ids_in(as("reader", "GET", "/messages")), mine);
  EXPECT_THAT(ids_in(as("reader", "GET", "/messages?queue=team-a")), ElementsAre(mine[1]));
  EXPECT_EQ(as("reader", "GET", "/messages?queue=secret").body, as("reader", "GET", "/messages?queue=unknown").body);
  std::vector<std::string> paged;
  std::string after;
  for (;;) {
    const auto page = as("reader", "GET", "/messages?limit=1" + after);
    for (auto& id : ids_in(page)) paged.push_back(std::move(id));
    const auto listed = body(page);
    const auto* next = listed.as_object().if_contains("next");
    if (!next) break;
    EXPECT_THAT(mine, testing::Contains(std::string(next->as_string())));
    after = "&after=" + std::string(next->as_string());
  }
  EXPECT_EQ(paged, mine);
}

TEST_F(Access, QueuesAndTheirCountsAreThoseThatMayBeRead) {
  post("orders");
  post("secret");
  const auto names_for = [&](const std::string& name) {
    const auto listed = body(as(name, "GET", "/queues"));
    std::vector<std::string> names;
    for (const auto& q : listed.at("queues").as_array()) names.emplace_back(q.at("queue").as_string());
    return names;
  };
  EXPECT_THAT(names_for("reader"), ElementsAre("orders"));
  EXPECT_THAT(names_for("chief"), ElementsAre("invoices", "orders", "secret", "shipping"));
}

TEST_F(Access, KeysAreUniqueWithTheirOwner) {
  who_->add("other", "send:orders");
  const http::headers key{{"Idempotency-Key", "k"}};
  const std::string said = R"({"message":"x","queue":"orders"})";
  const auto first = text_of(as("shop", "POST", "/messages", said, key), "id");
  EXPECT_EQ(text_of(as("shop", "POST", "/messages", said, key), "id"), first);
  EXPECT_NE(text_of(as("other", "POST", "/messages", said, key), "id"), first);
  EXPECT_EQ(as("other", "POST", "/messages", R"({"message":"y","queue":"orders"})", key).status, 422);
}

TEST_F(Access, AnAnswerGoesOnWhereItsWorkerMaySendOrItsRouteIsFrom) {
  const auto answer = [&](const std::string& more) {
    const auto id = post("orders");
    const auto claim = receive("packer", "orders").at("deliveries").at(0).at("claim").as_int64();
    return refused(body(as("packer", "POST", "/answers", "[" + entry(id, claim, more) + "]")).at(0));
  };
  EXPECT_EQ(answer(R"(,"message":"x","queue":"invoices")"), "forbidden");
  EXPECT_EQ(answer(R"(,"message":"ship it")"), "no") << "the route is from orders";
  EXPECT_EQ(answer(R"(,"message":"bill it")"), "forbidden") << "this one is from nowhere";
  EXPECT_EQ(answer(R"(,"message":"x","done":true)"), "no");
  who_->add("packer", "serve:orders send:invoices");
  EXPECT_EQ(answer(R"(,"message":"x","queue":"invoices")"), "no");
  EXPECT_EQ(answer(R"(,"message":"bill it")"), "no");
}

TEST_F(Access, ANewMessageFollowsARouteLikeAnAnswer) {
  EXPECT_EQ(as("shop", "POST", "/messages", R"({"message":"ship it"})").status, 403);
  who_->add("shop", "send:shipping");
  EXPECT_EQ(as("shop", "POST", "/messages", R"({"message":"ship it"})").status, 202);
  EXPECT_EQ(as("packer", "POST", "/messages", R"({"message":"x","done":true})").status, 403) << "it may send nowhere";
}

TEST_F(Access, EachOutcomeThatIsBroughtAlongIsJudgedByItsOwnQueue) {
  const auto id = post("orders");
  const auto claim = receive("packer", "orders").at("deliveries").at(0).at("claim").as_int64();
  const auto one = "[" + entry(id, claim) + "]";
  const auto told = receive("biller", "invoices",
                            R"({"leases":)" + one + R"(,"failures":)" + one + R"(,"releases":)" + one +
                                R"(,"answers":[)" + entry(id, claim, R"(,"message":"y","done":true)") + "]}");
  for (const auto* verb : {"leases", "failures", "releases", "answers"})
    EXPECT_EQ(refused(told.at(verb).at(0)), "not_found") << verb;
  EXPECT_EQ(body(as("chief", "GET", "/messages/" + id)).at("claim"), claim);
}

TEST_F(Access, NobodyIsAWorkerOfSomebodyElse) {
  who_->add("rival", "serve:orders");
  const auto id = post("orders");
  receive("packer", "orders", R"({"worker":"w"})");
  receive("rival", "orders", R"({"worker":"w","in_hand":0})");
  EXPECT_TRUE(w_.find(*parse_uuid(id))->held) << "the claim was opened, as if its worker had lost it";
  EXPECT_EQ(w_.find(*parse_uuid(id))->holder, "packer/w");
}

TEST_F(Access, WhatIsHandedOffIsItsReceivers) {
  http::request asked{
      "POST", "/queues/orders/receive", {{"Authorization", "Bearer packer"}, {"Prefer", "wait=5"}}, "{}"};
  const auto waiting = w_.world.start(w_.api->handle(asked));
  const auto id = post("orders");
  w_.world.settle();
  ASSERT_TRUE(*waiting);
  EXPECT_EQ(body(**waiting).at("deliveries").at(0).at("id").as_string(), id);
  EXPECT_EQ(w_.find(*parse_uuid(id))->holder, "packer");
}

TEST_F(Access, WhoeverWaitedIsAskedAgain) {
  const auto id = post("orders", "shop");
  http::request asked{"GET", "/messages/" + id, {{"Authorization", "Bearer shop"}, {"Prefer", "wait=5"}}};
  const auto waiting = w_.world.start(w_.api->handle(asked));
  ASSERT_FALSE(*waiting);
  who_->remove("shop");
  as("chief", "DELETE", "/messages/" + id);
  w_.world.settle();
  ASSERT_TRUE(*waiting);
  EXPECT_EQ((*waiting)->status, 401);
  EXPECT_THAT((*waiting)->body, Not(HasSubstr(id)));
}

TEST_F(Access, WhatHasMovedAwayMeanwhileIsHidden) {
  const auto id = post("orders");
  http::request asked{
      "GET", "/messages/" + id, {{"Authorization", "Bearer reader"}, {"Prefer", "wait=5"}, {"If-None-Match", "\"1\""}}};
  const auto waiting = w_.world.start(w_.api->handle(asked));
  as("chief", "PUT", "/messages/" + id, R"({"message":"y","queue":"secret"})", {{"If-Match", "\"1\""}});
  w_.world.settle();
  ASSERT_TRUE(*waiting);
  EXPECT_EQ((*waiting)->status, 404);
}

TEST_F(Access, WorkThatWasClaimedForOneWhoHasLostItsRightIsGivenBack) {
  http::request asked{
      "POST", "/queues/orders/receive", {{"Authorization", "Bearer packer"}, {"Prefer", "wait=5"}}, "{}"};
  const auto waiting = w_.world.start(w_.api->handle(asked));
  who_->add("packer", "serve:other");
  const auto id = post("orders");
  w_.world.settle();
  ASSERT_TRUE(*waiting);
  EXPECT_EQ((*waiting)->status, 403);
  EXPECT_FALSE(w_.find(*parse_uuid(id))->held);
}

TEST_F(Access, NearestNamesAreOfQueuesThatOneMayUse) {
  who_->add("sender", "send:order-*");
  tests::broker_world closed({"broker.queues_closed=true", "broker.queues=[{name: order-one}, {name: order-x-secret}]"},
                             who_);
  who_->add("narrow", "send:order-one send:order-onn");
  const auto ask = [&](const std::string& name, const std::string& queue) {
    return closed.ask("POST", "/queues/" + queue + "/messages", R"({"message":"x"})",
                      {{"Authorization", "Bearer " + name}});
  };
  EXPECT_THAT(ask("narrow", "order-onn").body, HasSubstr("order-one"));
  who_->add("narrow", "send:order-x-secres");
  EXPECT_THAT(ask("narrow", "order-x-secres").body, Not(HasSubstr("order-x-secret\\\"")));
}

TEST_F(Access, AMassRetryIsItsStartersAlone) {
  who_->add("operator", "operate:orders");
  const auto mine = post("orders"), other = post("secret");
  for (const auto& id : {mine, other}) as("chief", "DELETE", "/messages/" + id);
  EXPECT_EQ(as("operator", "POST", "/retries", R"({"status":"cancelled"})").status, 403);
  EXPECT_EQ(as("operator", "POST", "/retries", R"({"status":"cancelled","queue":"secret"})").status, 403);
  EXPECT_EQ(as("operator", "POST", "/retries", R"({"status":"cancelled","queue":"orders"})").status, 200);
  w_.world.advance(milliseconds(10'000));
  EXPECT_EQ(body(as("operator", "GET", "/retries")).at("retried"), 1);
  EXPECT_EQ(body(as("chief", "GET", "/retries")).at("retried"), 0);
  EXPECT_EQ(w_.find(*parse_uuid(other))->status, status::cancelled);
}

TEST_F(Access, AMassRetryEndsWithTheRightOfItsStarter) {
  who_->add("operator", "operate:orders");
  const auto id = post("orders");
  as("chief", "DELETE", "/messages/" + id);
  http::request asked{
      "POST", "/retries", {{"Authorization", "Bearer operator"}}, R"({"status":"cancelled","queue":"orders"})"};
  who_->remove("operator");
  who_->add("operator", "operate:orders");
  w_.disk->failing = unavailable(unavailable::reason::away, "away");
  const auto started = w_.world.start(w_.api->handle(asked));
  ASSERT_EQ((*started)->status, 200);
  who_->remove("operator");
  w_.disk->failing.reset();
  w_.world.advance(milliseconds(10'000));
  EXPECT_EQ(w_.find(*parse_uuid(id))->status, status::cancelled);
}

TEST_F(Access, WhatIsRefusedOrOperatedIsALogLine) {
  const auto id = post("orders", "shop");
  lines_.clear();
  as("reader", "POST", "/messages/" + id + "/retry");
  as("biller", "GET", "/messages/" + id);
  as("shop", "GET", "/queues");
  as("chief", "DELETE", "/messages/" + id);
  as("biller", "POST", "/claims",
     "[" + entry(id, 1).replace(entry(id, 1).find(",\"claim\""), std::string::npos, "}") + "]");
  EXPECT_THAT(
      lines_,
      ElementsAre(testing::AllOf(HasSubstr("reader"), HasSubstr("POST /messages/*/retry"), HasSubstr(id),
                                 HasSubstr(": refused")),
                  testing::AllOf(HasSubstr("biller"), HasSubstr("GET /messages/*"), HasSubstr("told as unknown")),
                  testing::AllOf(HasSubstr("shop"), HasSubstr("GET /queues"), HasSubstr(": refused")),
                  testing::AllOf(HasSubstr("chief"), HasSubstr("DELETE /messages/*"), HasSubstr("cancelled")),
                  testing::AllOf(HasSubstr("biller"), HasSubstr("POST /claims"), HasSubstr("told as unknown"))));
}

TEST_F(Access, AProxyNeedsNoTrustWhereTokensAreAskedFor) {
  EXPECT_EQ(as("chief", "GET", "/queues", "", {{"X-Forwarded-For", "203.0.113.9"}}).status, 200);
}

TEST(OpenAccess, WhatAProxyPassesOnIsRefusedWhereNobodyIsAskedWhoTheyAre) {
  tests::broker_world open;
  const http::headers forwarded{{"X-Forwarded-For", "203.0.113.9"}};
  const auto reply = open.ask("GET", "/queues", "", forwarded);
  EXPECT_EQ(reply.status, 403);
  EXPECT_THAT(reply.body, testing::AllOf(HasSubstr("X-Forwarded-For"), HasSubstr("broker.http.trusted_proxies")));
  tests::broker_world meant({"broker.access.open=true"});
  EXPECT_EQ(meant.ask("GET", "/queues", "", forwarded).status, 200);
}

}  // namespace
}  // namespace amc::api
