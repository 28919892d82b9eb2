#include "consumer_services/broker_client.hpp"

#include <gmock/gmock.h>

#include "tests/support/broker_world.hpp"

namespace amc::consumer_services {
namespace {

/// HTTP without a network: straight into the API.
class api_caller : public http::caller {
 public:
  explicit api_caller(tests::broker_world& world) : world_(world) {}
  task<http::response> send(http::request asked, milliseconds) override {
    if (broken) co_return http::response{500, {}, "oops"};
    co_return co_await world_.api->handle(asked);
  }
  bool broken = false;

 private:
  tests::broker_world& world_;
};

/// Both clients must say the same of the same broker.
class BrokerClient : public testing::TestWithParam<const char*> {
 protected:
  std::vector<result<broker::granted>> claim(const event& ready, bool alone = false) {
    return w_.world.run(client_->claim({broker::claim_request{ready, alone}}));
  }

  tests::broker_world w_;
  std::shared_ptr<broker_client> client_ =
      GetParam() == std::string("direct")
          ? make_direct_broker_client(w_.messages)
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
  EXPECT_TRUE(w_.world.run(client_->answer(event{id, 1}, "Hi, X.")));
  EXPECT_EQ(w_.find(id)->text, "Hi, X.");
}

TEST_P(BrokerClient, ARefusedAnswerSaysWhy) {
  const auto id = w_.accept("Hi, ");
  EXPECT_EQ(w_.world.run(client_->answer(event{id, 7}, "Hi, X.")).error().code, errc::stale);
  EXPECT_EQ(w_.world.run(client_->answer(event{id, 1}, "Good night")).error().code, errc::unroutable);
  EXPECT_EQ(w_.world.run(client_->answer(event{uuid{}, 1}, "Hi, X.")).error().code, errc::not_found);
  w_.world.run(client_->answer(event{id, 1}, "Hi, X. Bye!"));
  EXPECT_EQ(w_.world.run(client_->answer(event{id, 2}, "Hi, X.")).error().code, errc::terminal);
}

TEST_P(BrokerClient, ExtendsAndReleases) {
  const auto id = w_.accept("Hi, ");
  claim({id, 1});
  const std::vector<broker::claimed> mine{{{id, 1}, 1}};
  EXPECT_EQ(w_.world.run(client_->extend(mine)).at(0).value(), milliseconds(10'000));
  w_.world.run(client_->release(mine));
  EXPECT_FALSE(w_.find(id)->held);
}

INSTANTIATE_TEST_SUITE_P(Both, BrokerClient, testing::Values("direct", "http"),
                         [](const auto& suite) { return std::string(suite.param); });

TEST(HttpBrokerClient, AnAnswerThatIsNoBrokersIsUnavailable) {
  tests::broker_world w;
  const auto caller = std::make_shared<api_caller>(w);
  caller->broken = true;
  const auto client = make_http_broker_client(caller, milliseconds(1'000));
  EXPECT_THROW(w.world.run(client->claim({broker::claim_request{event{uuid{}, 1}, false}})), unavailable);
  EXPECT_THROW(w.world.run(client->answer(event{uuid{}, 1}, "x")), unavailable);
}

}  // namespace
}  // namespace amc::consumer_services
