#include <gmock/gmock.h>

#include "consumer_services/direct_broker_client.hpp"
#include "core/log.hpp"
#include "tests/support/api_caller.hpp"
#include "tests/unit/service/runtime_test.hpp"

namespace amc::service {
namespace {

/// A broker that can be told to be away, and counts what it is asked.
class shaky_client : public broker_client {
 public:
  explicit shaky_client(std::shared_ptr<broker_client> real) : real_(std::move(real)) {}

  task<std::vector<result<claimed_revision>>> claim(std::vector<claim_request> requests) override {
    ++claims;
    largest_claim = std::max(largest_claim, requests.size());
    fail_as_told();
    co_return co_await real_->claim(std::move(requests));
  }
  task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claimed) override {
    ++extensions;
    fail_as_told();
    co_return co_await real_->extend(std::move(claimed));
  }
  task<void> release(std::vector<claimed> claimed) override {
    fail_as_told();
    co_await real_->release(std::move(claimed));
  }
  task<std::vector<result<status>>> fail(std::vector<failed_claim> failed) override {
    ++failures;
    fail_as_told();
    co_return co_await real_->fail(std::move(failed));
  }
  task<std::vector<result<void>>> answer(std::vector<answer_request> told) override {
    ++answers;
    fail_as_told();
    co_return co_await real_->answer(std::move(told));
  }

  bool away = false;
  int claims = 0, extensions = 0, answers = 0, failures = 0;
  std::size_t largest_claim = 0;

 private:
  void fail_as_told() const {
    if (away) throw unavailable(unavailable::reason::away, "the broker is away");
  }
  std::shared_ptr<broker_client> real_;
};

class ServiceRuntime : public runtime_test {
 protected:
  using runtime_test::runtime_test;

  ~ServiceRuntime() override {
    client_->away = false;
    run_handlers();
    if (runtime_) stop();
  }

  void start(std::size_t concurrency, bool by_hand = false) {
    runtime_ = std::make_unique<service_runtime>(w_.world.env(), service_, client_, w_.engine, handlers(by_hand),
                                                 options_of(concurrency));
    run();
  }

  std::shared_ptr<shaky_client> client_ =
      std::make_shared<shaky_client>(consumer_services::make_direct_broker_client(w_.messages));
};

TEST_F(ServiceRuntime, WorksOnWhatItHears) {
  const auto id = w_.accept("Hi, ");
  start(4);
  EXPECT_EQ(status_of(id), status::done);
  EXPECT_EQ(w_.engine.acknowledged.size(), 1U);
}

TEST_F(ServiceRuntime, StoppingEndsThePauseBeforeAnAbsentBrokerIsAskedAgain) {
  client_->away = true;
  w_.accept("Hi, ");
  start(4);
  pass(20'000);
  expect_to_stop_at_once();
}

TEST_F(ServiceRuntime, NamesWhatItWaitsFor) {
  std::vector<std::string> told;
  log::redirect([&](const log::line& line) {
    if (line.component == "test") told.emplace_back(line.text);
  });
  peer_ = "store";
  client_->away = true;
  w_.accept("Hi, ");
  start(4);
  client_->away = false;
  pass(10'000);
  log::redirect(nullptr);
  EXPECT_THAT(told, testing::IsSupersetOf({testing::StartsWith("waits for the store: "),
                                           testing::StartsWith("the store is reachable again")}));
}

TEST_F(ServiceRuntime, ClaimsNoMoreThanItHasFreeHandlersFor) {
  for (int i = 0; i < 10; ++i) w_.accept("Hi, ");
  start(3, true);
  pass(100);
  EXPECT_EQ(client_->largest_claim, 3U);
  EXPECT_EQ(client_->claims, 1);
  run_handlers();
  EXPECT_EQ(handled_.size(), 3U);
}

TEST_F(ServiceRuntime, ADoubledEventRunsNoHandler) {
  const auto id = w_.accept("Hi, ");
  w_.engine.queues["topic-a"].push_back(w_.engine.queues["topic-a"].front());
  start(4);
  pass(100);
  EXPECT_EQ(handled_, std::vector<uuid>{id});
  EXPECT_EQ(w_.engine.acknowledged.size(), 2U);
}

TEST_F(ServiceRuntime, AcknowledgesNothingThatTheBrokerHasNotDecided) {
  w_.accept("Hi, ");
  client_->away = true;
  start(4);
  pass(1'000);
  EXPECT_THAT(w_.engine.acknowledged, testing::IsEmpty());
}

TEST_F(ServiceRuntime, WaitsForABrokerThatIsAwayWithoutHammeringOrLosing) {
  const auto id = w_.accept("Hi, ");
  client_->away = true;
  start(4);
  pass(20'000);
  EXPECT_LT(client_->claims, 15);
  client_->away = false;
  pass(6'000);
  EXPECT_EQ(status_of(id), status::done);
}

TEST_F(ServiceRuntime, SendsAnAnswerAgainUntilTheBrokerHasIt) {
  const auto id = w_.accept("Hi, ");
  start(4, true);
  client_->away = true;
  run_handlers();
  pass(3'000);
  EXPECT_GT(client_->answers, 1);
  client_->away = false;
  pass(6'000);
  EXPECT_EQ(status_of(id), status::done);
  EXPECT_EQ(handled_.size(), 1U);
}

TEST_F(ServiceRuntime, ExtendsTheLeaseOfWhatTakesLong) {
  const auto id = w_.accept("Hi, ");
  start(4, true);
  pass(60'000);
  EXPECT_EQ(w_.find(id)->unanswered, 1) << "six leases later the claim is still its own";
  run_handlers();
  pass(10);
  EXPECT_EQ(status_of(id), status::done);
}

TEST_F(ServiceRuntime, AnExceptionIsAFailureWithItsReason) {
  const auto id = w_.accept("Hi, ");
  throws_ = true;
  start(4);
  EXPECT_EQ(status_of(id), status::pending);
  EXPECT_EQ(w_.find(id)->attempts.at(0).error, "cannot");
  EXPECT_EQ(handled_.size(), 1U);
  throws_ = false;
  pass(2'000);
  EXPECT_EQ(status_of(id), status::done);
}

TEST_F(ServiceRuntime, WhateverAHandlerThrowsIsAFailure) {
  const auto id = w_.accept("Hi, ");
  service_.handler = [](const delivery&) -> std::string { throw 7; };
  start(4);
  EXPECT_THAT(w_.find(id)->attempts.at(0).error, testing::HasSubstr("no std::exception"));
}

TEST_F(ServiceRuntime, AnAnswerThatNoStoreTakesIsAFailureWithItsReason) {
  const auto id = w_.accept("Hi, ");
  std::deque<std::string> answers{"Hi, \xff. Bye!", std::string("Hi, \0. Bye!", 12), "Hi, X. Bye!"};
  service_.handler = [&](const delivery&) {
    const auto next = answers.front();
    answers.pop_front();
    return next;
  };
  start(4);
  pass(10'000);
  const auto attempts = w_.find(id)->attempts;
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].error, "the handler's answer is not UTF-8 at byte 4");
  EXPECT_EQ(attempts[1].error, "the handler's answer contains U+0000, at byte 4");
  EXPECT_EQ(status_of(id), status::done);
}

TEST_F(ServiceRuntime, AClaimThatIsLostIsToldOnceAndNotExtendedAgain) {
  const auto id = w_.accept("Hi, ");
  start(4, true);
  w_.world.run(w_.messages->answer(id, 1, "Hi, Y."));
  pass(60'000);
  EXPECT_EQ(client_->extensions, 1);
}

TEST_F(ServiceRuntime, AFailureIsToldAgainUntilTheBrokerHasIt) {
  const auto id = w_.accept("Hi, ");
  throws_ = true;
  start(4, true);
  client_->away = true;
  run_handlers();
  pass(3'000);
  EXPECT_GT(client_->failures, 1);
  client_->away = false;
  pass(6'000);
  EXPECT_EQ(w_.find(id)->failures, 1);
}

TEST_F(ServiceRuntime, APoisonMessageDelaysNobodyElse) {
  const auto poison = w_.accept("Hi, ");
  service_.handler = [&](const delivery& work) -> std::string {
    handled_.push_back(*parse_uuid(work.id()));
    if (work.id() == to_string(poison)) throw std::runtime_error("cannot");
    return "Hi, X. Bye!";
  };
  start(1);
  for (int i = 0; i < 5; ++i) {
    const auto other = w_.accept("Hi, ");
    pass(50);
    EXPECT_EQ(status_of(other), status::done);
  }
  EXPECT_EQ(status_of(poison), status::pending);
}

TEST_F(ServiceRuntime, AHandlerThatTakesTooLongHasFailedAndItsLateAnswerCountsForNothing) {
  handler_timeout_ = milliseconds(5'000);
  const auto id = w_.accept("Hi, ");
  start(1, true);
  pass(5'100);
  EXPECT_THAT(w_.find(id)->attempts.at(0).error, testing::HasSubstr("longer than 5000 ms"));
  pass(10'000);
  EXPECT_EQ(client_->claims, 1) << "until it ends it occupies its place";
  run_handlers();
  EXPECT_EQ(client_->answers, 0);
  pass(10);
  run_handlers();  // the next try
  pass(10);
  EXPECT_EQ(status_of(id), status::done);
}

TEST_F(ServiceRuntime, AnAnswerThatTheBrokerCannotTakeIsAFailure) {
  const auto id = w_.accept("Hi, ");
  service_.handler = [&](const delivery&) { return std::string("no route knows this"); };
  start(1);
  EXPECT_THAT(w_.find(id)->attempts.at(0).error, testing::HasSubstr("answer refused"));
}

TEST_F(ServiceRuntime, AMessageLeftUnansweredTwiceRunsWithNothingElseInHand) {
  const auto lonely = w_.accept("Hi, ");
  for (int i = 0; i < 2; ++i) {
    w_.world.run(w_.messages->claim({claim_request{event{lonely, 1}, false}}));
    pass(10'500);
  }
  handled_.clear();
  std::vector<uuid> others;
  for (int i = 0; i < 3; ++i) others.push_back(w_.accept("Hi, "));
  start(2, true);
  while (handled_.size() < 4) {
    const auto before = handled_.size();
    run_handlers();
    pass(50);
    for (auto i = before; i < handled_.size(); ++i)
      if (handled_[i] == lonely) {
        EXPECT_EQ(handled_.size() - before, 1U) << "nothing else was in hand";
      }
  }
  EXPECT_EQ(status_of(lonely), status::done);
  for (const auto& id : others) EXPECT_EQ(status_of(id), status::done);
}

/// A service over HTTP whose client takes only so much of an answer.
class SmallClient : public ServiceRuntime {
 protected:
  SmallClient() : ServiceRuntime({"broker.max_claims=2"}) {
    caller_->answer_max_bytes = 16'000;
    client_ = std::make_shared<shaky_client>(make_http_broker_client(caller_, milliseconds(1'000)));
    log::redirect([this](const log::line& line) {
      if (line.text.find("left to other services") != std::string_view::npos) ++left_alone_;
    });
  }
  ~SmallClient() override { log::redirect(nullptr); }

  static std::string of_size(std::size_t bytes) {
    const std::string spaces(bytes, ' ');
    return "Hi," + spaces;
  }

  std::shared_ptr<tests::api_caller> caller_ = std::make_shared<tests::api_caller>(w_);
  int left_alone_ = 0;
};

TEST_F(SmallClient, MessagesThatAreTooLargeTogetherDoNotDieOfIt) {
  std::vector<uuid> ids;
  for (int i = 0; i < 8; ++i) ids.push_back(w_.accept(of_size(10'000)));
  for (int i = 0; i < 8; ++i) ids.push_back(w_.accept("Hi, "));
  start(64);
  pass(30'000);
  for (const auto& id : ids) EXPECT_EQ(status_of(id), status::done) << "one claim was lost, and the next was by itself";
}

TEST_F(SmallClient, AMessageThatIsTooLargeByItselfIsLeftAloneAndStaysPending) {
  const auto large = w_.accept(of_size(20'000));
  start(4);
  pass(300'000);
  EXPECT_EQ(status_of(large), status::pending);
  EXPECT_EQ(w_.find(large)->unanswered, 1);
  EXPECT_EQ(left_alone_, 1);
  const auto other = w_.accept("Hi, ");
  pass(10);
  EXPECT_EQ(status_of(other), status::done);
}

/// Two services in one process, whose handlers run by hand.
class TwoServices : public ServiceRuntime {
 protected:
  TwoServices() {
    options_.concurrency = 4;
    options_.handler_timeout = handler_timeout_;
    service_.handler = [this](const delivery& work) { return handle("a", work, "Hi, X."); };
    other_.name = "other";
    other_.queue = "topic-b";
    other_.handler = [this](const delivery& work) { return handle("b", work, work.text() + " Bye!"); };
  }
  ~TwoServices() override {
    run_handlers();
    if (a_) w_.world.run(a_->stop(milliseconds(10'000)));
    if (b_) w_.world.run(b_->stop(milliseconds(10'000)));
  }

  std::string handle(const std::string& who, const delivery& work, std::string next) {
    handled_by_.push_back(who);
    handled_.push_back(*parse_uuid(work.id()));
    return next;
  }
  std::unique_ptr<service_runtime> make(service_definition service) {
    auto made = std::make_unique<service_runtime>(w_.world.env(), std::move(service), client_, w_.engine,
                                                  handlers_.get_executor(), options_);
    made->run();
    return made;
  }
  /// A message that was left unanswered twice.
  uuid lonely(const std::string& text) {
    const auto id = w_.accept(text);
    for (int i = 0; i < 2; ++i) {
      w_.world.run(w_.messages->claim({claim_request{event{id, 1, {}}, false}}));
      pass(10'500);
    }
    return id;
  }

  runtime_options options_;
  service_definition other_;
  std::vector<std::string> handled_by_;
  std::unique_ptr<service_runtime> a_, b_;
};

TEST_F(TwoServices, ALonelyMessageOfOneRunsWhileTheOtherHasNothingInHand) {
  const auto alone = lonely("Hi, ");
  for (int i = 0; i < 2; ++i) w_.accept("Hi, Y.");
  b_ = make(other_);
  pass(50);  // both are in its hands
  a_ = make(service_);
  pass(1'000);
  EXPECT_EQ(w_.find(alone)->unanswered, 2) << "it waits until the other service is done";
  for (int i = 0; i < 2; ++i) w_.accept("Hi, Z.");
  pass(50);
  run_handlers();
  pass(50);
  EXPECT_EQ(w_.find(alone)->unanswered, 3);
  EXPECT_EQ(handled_.size(), 2U) << "nobody takes anything meanwhile";
  run_handlers();
  pass(50);
  EXPECT_EQ(handled_.at(2), alone);
  run_handlers();
  pass(50);
  EXPECT_GE(handled_.size(), 5U) << "and all go on";
}

TEST_F(TwoServices, BothHaveALonelyMessageAndTheyTakeTurns) {
  const auto one = lonely("Hi, ");
  const auto another = lonely("Hi, Y.");
  a_ = make(service_);
  b_ = make(other_);
  for (int i = 0; i < 10; ++i) {
    const auto before = handled_.size();
    pass(50);
    run_handlers();
    EXPECT_LE(handled_.size() - before, 1U);
  }
  pass(50);
  EXPECT_EQ(status_of(another), status::done);
  EXPECT_EQ(status_of(one), status::done);
}

TEST_F(ServiceRuntime, StopFinishesWhatIsInHandAndGivesTheRestBack) {
  std::vector<uuid> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(w_.accept("Hi, "));
  start(1, true);
  const auto stopped = w_.world.start(runtime_->stop(milliseconds(10'000)));
  EXPECT_FALSE(*stopped);
  run_handlers();
  pass(10);
  ASSERT_TRUE(*stopped);
  EXPECT_TRUE(**stopped);
  runtime_.reset();
  EXPECT_EQ(handled_.size(), 1U);
  EXPECT_EQ(w_.depth("topic-a"), 3U);
}

TEST_F(ServiceRuntime, StopReleasesWhatCannotFinish) {
  const auto id = w_.accept("Hi, ");
  start(1, true);
  const auto stopped = w_.world.start(runtime_->stop(milliseconds(10'000)));
  pass(10'000);
  ASSERT_TRUE(*stopped);
  EXPECT_FALSE(**stopped) << "a handler is still running";
  EXPECT_FALSE(w_.find(id)->held);
  EXPECT_EQ(w_.find(id)->unanswered, 0);
  run_handlers();  // so that the test may end
  pass(60'000);
  runtime_.reset();
}

}  // namespace
}  // namespace amc::service
