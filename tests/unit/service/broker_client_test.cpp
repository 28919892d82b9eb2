#include "service/broker_client.hpp"

#include <gmock/gmock.h>

#include "consumer_services/direct_broker_client.hpp"
#include "tests/support/broker_world.hpp"

namespace amc::service {
namespace {

/// HTTP without a network: straight into the API.
class api_caller : public http::caller {
 public:
  explicit api_caller(tests::broker_world& world) : world_(world) {}
  task<http::response> send(http::request asked, milliseconds) override {
    if (broken) co_return http::response{500, {}, "oops"};
    constexpr std::size_t body_max_bytes = 1'048'576;
    if (asked.body.size() > body_max_bytes) co_return http::response{413, {}, R"({"detail": "too large"})"};
    co_return co_await world_.api->handle(asked);
  }
  bool broken = false;

 private:
  tests::broker_world& world_;
};

/// Both clients must say the same of the same broker.
class BrokerClient : public testing::TestWithParam<const char*> {
 protected:
  std::vector<result<granted>> claim(const event& ready, bool alone = false) {
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
  EXPECT_EQ(results[0]->claim, 1);
  EXPECT_EQ(results[0]->lease, milliseconds(10'000));
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
  const std::vector<claimed> mine{{{id, 1}, 1}};
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
  const std::vector<failed_claim> failures{{{{id, 1, {}}, 7}, "no"}, {{{id, 1, {}}, 1}, "broken"}};
  const auto told = w_.world.run(client_->fail(failures));
  EXPECT_EQ(told.at(0).error().code, errc::stale);
  EXPECT_EQ(told.at(1).value(), status::pending);
  EXPECT_EQ(w_.find(id)->attempts.at(0).error, "broken");
}

INSTANTIATE_TEST_SUITE_P(Both, BrokerClient, testing::Values("direct", "http"),
                         [](const auto& suite) { return std::string(suite.param); });

TEST(HttpBrokerClient, OneAnswerThatNoBrokerTakesCostsTheOthersNothing) {
  tests::broker_world w;
  const auto client = make_http_broker_client(std::make_shared<api_caller>(w), milliseconds(1'000));
  std::vector<answer_request> answers;
  for (int i = 0; i < 5; ++i) answers.push_back({w.accept("Hi, "), 1, "Hi, X."});
  answers[3].text = "Hi, \xff.";  // not UTF-8: nothing that JSON can carry
  const auto told = w.world.run(client->answer(answers));
  for (std::size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i].has_value(), i != 3);
  EXPECT_EQ(told.at(3).error().code, errc::invalid);
  EXPECT_EQ(w.find(answers[4].id)->revision, 2);
}

TEST(HttpBrokerClient, AnswersThatAreLargeTogetherAreSentInParts) {
  tests::broker_world w;
  const auto client = make_http_broker_client(std::make_shared<api_caller>(w), milliseconds(1'000));
  std::vector<answer_request> answers;
  for (int i = 0; i < 6; ++i) answers.push_back({w.accept("Hi, "), 1, "Hi, X." + std::string(400'000, '.')});
  answers[1].text += std::string(1'000'000, '.');
  const auto told = w.world.run(client->answer(answers));
  ASSERT_EQ(told.size(), 6U);
  for (std::size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i].has_value(), i != 1);
}

TEST(HttpBrokerClient, AnAnswerThatIsNoBrokersIsUnavailable) {
  tests::broker_world w;
  const auto caller = std::make_shared<api_caller>(w);
  caller->broken = true;
  const auto client = make_http_broker_client(caller, milliseconds(1'000));
  EXPECT_THROW(w.world.run(client->claim({claim_request{event{uuid{}, 1}, false}})), unavailable);
  EXPECT_THROW(w.world.run(client->answer({answer_request{uuid{}, 1, "x"}})), unavailable);
}

}  // namespace
}  // namespace amc::service
