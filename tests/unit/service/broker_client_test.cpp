#include "service/broker_client.hpp"

#include <gmock/gmock.h>

#include "consumer_services/direct_broker_client.hpp"
#include "tests/support/api_caller.hpp"
#include "tests/support/broker_world.hpp"

namespace amc::service {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using tests::api_caller;

/// Both clients must say the same of the same broker.
class BrokerClient : public testing::TestWithParam<const char*> {
 protected:
  std::vector<result<claimed_revision>> claim(const event& ready, bool alone = false) {
    return w_.world.run(client_->claim({claim_request{ready, alone}}));
  }

  result<void> answer(const uuid& id, int revision, const std::string& text) {
    return w_.world.run(client_->answer({answer_request{id, revision, text}})).at(0);
  }

  tests::broker_world w_;
  std::shared_ptr<broker_client> client_ =
      GetParam() == std::string("direct")
          ? consumer_services::make_direct_broker_client(w_.messages)
          : make_http_broker_client(std::make_shared<api_caller>(w_), milliseconds(1'000));
};

TEST_P(BrokerClient, AGrantedClaimHasTextNumberAndLease) {
  const auto id = w_.accept("Hi, ");
  const auto results = claim({id, 1});
  ASSERT_TRUE(results.at(0));
  EXPECT_EQ(results[0]->text, "Hi, ");
  EXPECT_EQ(results[0]->claim, w_.find(id)->claim);
  EXPECT_EQ(results[0]->lease, milliseconds(10'000));
}

TEST_P(BrokerClient, AClaimTellsAllOfTheMessage) {
  content said(R"({"boxes":12345678901234567890123})");
  said.form = content_form::json;
  said.content_type = "application/json";
  said.headers = std::vector<header>{{"tenant", "a"}};
  broker::life_cycle::accept_options options;
  options.to = to_queue{"orders"};
  options.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  options.tracestate = "vendor=1";
  const auto id = w_.messages->new_id();
  ASSERT_TRUE(w_.world.run(w_.messages->accept(id, said, options)));
  const auto results = claim({id, 1});
  ASSERT_TRUE(results.at(0));
  const auto& work = *results[0];
  EXPECT_EQ(work.text, said.text) << "digit by digit";
  EXPECT_EQ(work.form, content_form::json);
  EXPECT_EQ(work.content_type, "application/json");
  EXPECT_EQ(work.headers, said.headers);
  EXPECT_EQ(work.tracestate, "vendor=1");
  EXPECT_EQ(work.queue, "orders");
  EXPECT_EQ(work.attempt, 1);
  EXPECT_EQ(work.created_at, w_.find(id)->created_at);
}

TEST_P(BrokerClient, BytesAreGrantedAsTheyAre) {
  content bytes("AAH/");
  bytes.form = content_form::bytes;
  bytes.content_type = "image/png";
  broker::life_cycle::accept_options options;
  options.to = to_queue{"orders"};
  const auto id = w_.messages->new_id();
  ASSERT_TRUE(w_.world.run(w_.messages->accept(id, bytes, options)));
  const auto results = claim({id, 1});
  ASSERT_TRUE(results.at(0));
  EXPECT_EQ(results[0]->text, std::string("\0\1\xff", 3));
  EXPECT_EQ(results[0]->content_type, "image/png");
}

TEST_P(BrokerClient, AnAnswerMayBeOfAnyForm) {
  const auto id = w_.accept("Hi, ");
  content value("[1.50]");
  value.form = content_form::json;
  value.content_type = "application/json";
  value.headers = std::vector<header>{{"a", "b"}};
  answer_request one{id, 1, value, to_queue{"orders"}};
  ASSERT_TRUE(w_.world.run(client_->answer({one})).at(0));
  EXPECT_EQ(w_.find(id)->text, "[1.50]");
  EXPECT_EQ(w_.find(id)->form, content_form::json);
  EXPECT_EQ(w_.find(id)->headers, value.headers);
  content bytes("AAE=");
  bytes.form = content_form::bytes;
  one = {id, 2, bytes, to_queue{"orders"}};
  ASSERT_TRUE(w_.world.run(client_->answer({one})).at(0));
  EXPECT_EQ(w_.find(id)->text, "AAE=");
  EXPECT_EQ(w_.find(id)->form, content_form::bytes);
}

TEST_P(BrokerClient, ARefusedClaimSaysWhy) {
  const auto id = w_.accept("Hi, ");
  claim({id, 1});
  EXPECT_EQ(claim({id, 1}).at(0).error().code, errc::held);
  EXPECT_EQ(claim({id, 2}).at(0).error().code, errc::stale);
  EXPECT_EQ(claim({uuid{}, 1}).at(0).error().code, errc::not_found);
}

TEST_P(BrokerClient, AnAnswerMovesTheMessageOn) {
  const auto id = w_.accept("Hi, ");
  EXPECT_TRUE(answer(id, 1, "Hi, X."));
  EXPECT_EQ(w_.find(id)->text, "Hi, X.");
}

TEST_P(BrokerClient, ARefusedAnswerSaysWhy) {
  const auto id = w_.accept("Hi, ");
  EXPECT_EQ(answer(id, 7, "Hi, X.").error().code, errc::stale);
  EXPECT_EQ(answer(id, 1, "Good night").error().code, errc::unroutable);
  EXPECT_EQ(answer(uuid{}, 1, "Hi, X.").error().code, errc::not_found);
  answer(id, 1, "Hi, X. Bye!");
  EXPECT_EQ(answer(id, 2, "Hi, X.").error().code, errc::terminal);
}

TEST_P(BrokerClient, ExtendsAndReleases) {
  const auto id = w_.accept("Hi, ");
  claim({id, 1});
  const std::vector<claimed> mine{{{id, 1}, w_.find(id)->claim}};
  EXPECT_EQ(w_.world.run(client_->extend(mine)).at(0).value(), milliseconds(10'000));
  w_.world.run(client_->release(mine));
  EXPECT_FALSE(w_.find(id)->held);
}

TEST_P(BrokerClient, AnswersStandEachForThemselves) {
  const auto one = w_.accept("Hi, "), other = w_.accept("Hi, "), third = w_.accept("Hi, ");
  const std::vector<answer_request> answers{
      {one, 1, "Hi, X."}, {uuid{}, 1, "Hi, X."}, {third, 1, "Good night"}, {other, 1, "Hi, Y."}};
  const auto told = w_.world.run(client_->answer(answers));
  ASSERT_EQ(told.size(), 4U);
  EXPECT_TRUE(told[0]);
  EXPECT_EQ(told[1].error().code, errc::not_found);
  EXPECT_EQ(told[2].error().code, errc::unroutable);
  EXPECT_TRUE(told[3]);
  EXPECT_EQ(w_.find(one)->text, "Hi, X.");
  EXPECT_EQ(w_.find(other)->text, "Hi, Y.");
}

TEST_P(BrokerClient, FailuresStandEachForThemselves) {
  const auto id = w_.accept("Hi, ");
  claim({id, 1});
  const std::vector<failed_claim> failures{{{{id, 1, {}}, 7}, "no"}, {{{id, 1, {}}, w_.find(id)->claim}, "broken"}};
  const auto told = w_.world.run(client_->fail(failures));
  EXPECT_EQ(told.at(0).error().code, errc::stale);
  EXPECT_EQ(told.at(1).value(), status::pending);
  EXPECT_EQ(w_.find(id)->attempts.at(0).error, "broken");
}

INSTANTIATE_TEST_SUITE_P(Both, BrokerClient, testing::Values("direct", "http"),
                         [](const auto& suite) { return std::string(suite.param); });

/// The client of a broker over HTTP, which may be asked too much at once, or be somebody else.
class HttpBrokerClient : public testing::Test {
 protected:
  /// So many messages, claimed.
  std::vector<claimed> claim_some(int count) {
    std::vector<claimed> mine;
    for (int i = 0; i < count; ++i) {
      const event ready{w_.accept("Hi, "), 1, {}};
      const auto claim = w_.world.run(w_.messages->claim({claim_request{ready, false}})).at(0)->claim;
      mine.push_back({ready, claim});
    }
    return mine;
  }

  std::string complaint() {
    try {
      w_.world.run(client_->claim({claim_request{event{uuid{}, 1, {}}, false}}));
    } catch (const unavailable& why) {
      return why.what();
    }
    return "";
  }

  tests::broker_world w_;
  std::shared_ptr<api_caller> caller_ = std::make_shared<api_caller>(w_);
  std::shared_ptr<receiving_client> client_ = make_http_broker_client(caller_, milliseconds(1'000));
};

TEST_F(HttpBrokerClient, OneAnswerThatNoBrokerTakesCostsTheOthersNothing) {
  std::vector<answer_request> answers;
  for (int i = 0; i < 5; ++i) answers.push_back({w_.accept("Hi, "), 1, "Hi, X."});
  answers[3].said.text = "Hi, \xff.";  // not UTF-8: nothing that JSON can carry
  const auto told = w_.world.run(client_->answer(answers));
  for (std::size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i].has_value(), i != 3);
  EXPECT_EQ(told.at(3).error().code, errc::invalid);
  EXPECT_EQ(w_.find(answers[4].id)->revision, 2);
}

TEST_F(HttpBrokerClient, OneFailureThatNoBrokerTakesCostsTheOthersNothing) {
  std::vector<failed_claim> failures;
  for (const auto& mine : claim_some(5)) failures.push_back({mine, "broken"});
  failures[2].reason = "\xff";
  const auto told = w_.world.run(client_->fail(failures));
  for (std::size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i].has_value(), i != 2);
  EXPECT_EQ(told.at(2).error().code, errc::invalid);
}

TEST_F(HttpBrokerClient, WhatIsTooLargeTogetherIsToldInParts) {
  std::vector<answer_request> answers;
  for (int i = 0; i < 6; ++i) answers.push_back({w_.accept("Hi, "), 1, "Hi, X." + std::string(400'000, '.')});
  answers[1].said.text += std::string(1'000'000, '.');
  const auto told = w_.world.run(client_->answer(answers));
  ASSERT_EQ(told.size(), 6U);
  for (std::size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i].has_value(), i != 1);
  EXPECT_EQ(told[1].error().detail, "too large");

  std::vector<failed_claim> failures;
  for (const auto& mine : claim_some(64)) failures.push_back({mine, std::string(17'000, '.')});
  for (const auto& became : w_.world.run(client_->fail(failures))) EXPECT_TRUE(became);
}

TEST_F(HttpBrokerClient, ABrokerThatTakesFewerAtOnceIsAskedInParts) {
  caller_->entries_max = 2;
  std::vector<claim_request> requests;
  for (int i = 0; i < 5; ++i) requests.push_back({event{w_.accept("Hi, "), 1, {}}, false});
  std::vector<claimed> mine;
  const auto granted = w_.world.run(client_->claim(requests));
  ASSERT_EQ(granted.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) mine.push_back({requests[i].ready, granted[i]->claim});
  for (const auto& lease : w_.world.run(client_->extend(mine))) EXPECT_TRUE(lease);
  w_.world.run(client_->release(mine));
  for (const auto& one : mine) EXPECT_FALSE(w_.find(one.ready.id)->held);
  std::vector<failed_claim> failures;
  for (const auto& one : claim_some(5)) failures.push_back({one, "broken"});
  for (const auto& became : w_.world.run(client_->fail(failures))) EXPECT_EQ(became.value(), status::pending);
  std::vector<answer_request> answers;
  for (const auto& one : mine) answers.push_back({one.ready.id, 1, "Hi, X. Bye!"});
  for (const auto& said : w_.world.run(client_->answer(answers))) EXPECT_TRUE(said);
}

TEST_F(HttpBrokerClient, EveryStatusThatRefusesARequestIsARefusalOfEach) {
  for (const int status : {400, 413, 422, 431}) {
    caller_->instead = {status, {}, R"({"detail":"not so"})"};
    caller_->sent = 0;
    const std::vector<claim_request> two(2, claim_request{event{uuid{}, 1, {}}, false});
    for (const auto& said : w_.world.run(client_->claim(two))) {
      EXPECT_EQ(said.error().code, status == 413 ? errc::too_large : errc::invalid) << status;
      EXPECT_EQ(said.error().detail, "not so");
    }
    EXPECT_EQ(caller_->sent, 3) << "together, then each";
  }
}

TEST_F(HttpBrokerClient, ClaimsWhoseAnswerIsTooLargeNeedRoomEach) {
  caller_->answer_max_bytes = 10'000;
  std::vector<claim_request> requests;
  for (int i = 0; i < 3; ++i) requests.push_back({event{w_.accept("Hi," + std::string(6'000, ' ')), 1, {}}, false});
  for (const auto& said : w_.world.run(client_->claim(requests))) {
    EXPECT_EQ(said.error().code, errc::needs_room);
    EXPECT_THAT(said.error().detail, HasSubstr("10000 bytes"));
  }
}

TEST_F(HttpBrokerClient, ARefusalThatItDoesNotKnowIsNotTakenForAnother) {
  caller_->instead = {200, {}, R"([{"refused":"needs_blessing","detail":"ask the elders"}])"};
  const auto said = w_.world.run(client_->claim({claim_request{event{uuid{}, 1, {}}, false}})).at(0);
  EXPECT_EQ(said.error().code, errc::unknown);
  EXPECT_EQ(said.error().detail, "needs_blessing: ask the elders");
  caller_->instead = {200, {}, R"([{"status":"resting"}])"};
  EXPECT_EQ(w_.world.run(client_->fail({failed_claim{}})).at(0).error().code, errc::unknown);
}

TEST_F(HttpBrokerClient, SaysWhatCameInsteadOfAnAnswer) {
  caller_->instead = {404, {{"Content-Type", "text/html"}}, "<html>\xff" + std::string(10'000, '.')};
  EXPECT_THAT(complaint(), AllOf(HasSubstr("POST /claims was answered 404 (text/html), \"<html>"),
                                 HasSubstr("consumer_services.broker_client.url")));
  EXPECT_LT(complaint().size(), 500U);
  caller_->instead = {503, {}, R"({"detail":"The store is away."})"};
  EXPECT_EQ(complaint(), "POST /claims was answered 503: The store is away.");
  caller_->instead = {403, {}, R"({"detail":"Not with this token."})"};
  EXPECT_THAT(complaint(), HasSubstr("was answered 403: Not with this token."));
}

TEST_F(HttpBrokerClient, ARoundThatTellsFewerOutcomesThanItWasAskedIsUnavailable) {
  caller_->instead = {200, {}, R"({"deliveries":[],"answers":[]})"};
  receive_round asked;
  asked.queue = "topic-a";
  asked.answers.push_back({uuid{}, 1, "Hi, X."});
  EXPECT_THROW(w_.world.run(client_->receive(asked)), unavailable);
}

TEST_F(HttpBrokerClient, WhatIsNoBrokersAnswerIsUnavailable) {
  const std::vector<std::string> bodies{"",
                                        "oops",
                                        "{}",
                                        "[]",
                                        "[{},{}]",
                                        "[1]",
                                        "[{}]",
                                        R"([{"claim":1,"message":"x"}])",
                                        R"([{"claim":1,"message":"x","lease_ms":0}])",
                                        R"([{"claim":1,"message":"x","lease_ms":9223372036854775807}])",
                                        R"([{"claim":"1","message":"x","lease_ms":1}])",
                                        R"([{"claim":1,"message_base64":"?","lease_ms":1}])",
                                        R"([{"claim":1,"message":"x","lease_ms":1,"headers":[]}])",
                                        R"([{"refused":1}])"};
  for (const auto& body : bodies) {
    caller_->instead = {200, {}, body};
    EXPECT_THAT(complaint(), HasSubstr("POST /claims was answered")) << body;
  }
}

}  // namespace
}  // namespace amc::service
