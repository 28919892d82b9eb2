#include <gmock/gmock.h>

#include "consumer_services/in_process_broker_client.hpp"
#include "core/base64.hpp"
#include "core/log.hpp"
#include "tests/support/api_caller.hpp"
#include "tests/unit/service/runtime_test.hpp"

namespace amc::service {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

/// What was asked in a round, without the texts.
struct asked_round {
  std::size_t max = 0, in_hand = 0, answers = 0, failures = 0;
  milliseconds wait{};
};

/// A broker that can be told to be away, and keeps what it was asked.
class watched_client : public receiving_client {
 public:
  explicit watched_client(std::shared_ptr<receiving_client> real) : real_(std::move(real)) {}

  task<received_round> receive(receive_round asked) override {
    rounds.push_back({asked.max, asked.in_hand, asked.answers.size(), asked.failures.size(), asked.wait});
    if (away) throw unavailable(unavailable::reason::away, "the broker is away");
    auto came = co_await real_->receive(std::move(asked));
    if (const auto slow = std::exchange(slow_response, nullptr)) co_await slow->wait();
    if (!came.answers.empty() && std::exchange(loses_told, false))
      throw unavailable(unavailable::reason::outcome_unknown, "the connection is lost");
    co_return came;
  }
  bool stands() const override { return real_->stands(); }
  void offer(const std::string& queue, const more_room& room) override { real_->offer(queue, room); }
  task<std::vector<result<claimed_revision>>> claim(std::vector<claim_request> requests) override {
    return real_->claim(std::move(requests));
  }
  task<std::vector<result<milliseconds>>> extend(std::vector<claimed> claims) override {
    ++extensions;
    return real_->extend(std::move(claims));
  }
  task<void> release(std::vector<claimed> claims) override {
    released += static_cast<int>(claims.size());
    return real_->release(std::move(claims));
  }
  task<std::vector<result<status>>> fail(std::vector<failed_claim> failed) override {
    ++told_by_themselves;
    return real_->fail(std::move(failed));
  }
  task<std::vector<result<void>>> answer(std::vector<answer_request> told) override {
    ++told_by_themselves;
    return real_->answer(std::move(told));
  }

  std::vector<asked_round> rounds;
  bool away = false;
  bool loses_told = false;                        ///< the next response that tells what became of answers
  std::shared_ptr<one_shot<bool>> slow_response;  ///< of the next round: it arrives when this is set
  int extensions = 0, released = 0, told_by_themselves = 0;

 private:
  std::shared_ptr<receiving_client> real_;
};

enum class way { over_http, in_process };

class Receiving : public runtime_test, public testing::WithParamInterface<way> {
 protected:
  explicit Receiving(std::vector<std::string> sets = {}) : runtime_test(std::move(sets)) {}
  ~Receiving() override {
    client_->away = false;
    run_handlers();
    if (runtime_) stop();
  }

  void start(std::size_t concurrency, bool by_hand = false, std::size_t max_bytes = 1'000'000) {
    receiving how{.worker = "w", .max_bytes = max_bytes, .wait = milliseconds(20'000)};
    runtime_ = std::make_unique<service_runtime>(w_.world.env(), service_, client_, std::move(how), handlers(by_hand),
                                                 options_of(concurrency));
    run();
  }

  /// Its last claim has just begun.
  uuid left_unanswered_twice() {
    const auto id = w_.accept("Hi, ");
    w_.world.run(w_.messages->claim({claim_request{{id, 1}}}));
    pass(11'000);
    w_.world.run(w_.messages->claim({claim_request{{id, 1}}}));
    return id;
  }

  std::shared_ptr<receiving_client> broker() {
    if (GetParam() == way::in_process)
      return consumer_services::make_in_process_broker_client(w_.world.env().executor, w_.messages, w_.receivers);
    return make_http_broker_client(std::make_shared<tests::api_caller>(w_), milliseconds(1'000));
  }

  std::shared_ptr<watched_client> client_ = std::make_shared<watched_client>(broker());
};

const auto ways = testing::Values(way::over_http, way::in_process);
std::string name_of(const testing::TestParamInfo<way>& one) {
  return one.param == way::over_http ? "over_http" : "in_process";
}

INSTANTIATE_TEST_SUITE_P(Ways, Receiving, ways, name_of);

/// Each request returns with what it brings.
class ReceivingByRounds : public Receiving {};
INSTANTIATE_TEST_SUITE_P(Ways, ReceivingByRounds, testing::Values(way::over_http), name_of);

/// A request stands, and what there is comes through it.
class ReceivingAsItComes : public Receiving {};
INSTANTIATE_TEST_SUITE_P(Ways, ReceivingAsItComes, testing::Values(way::in_process), name_of);

TEST_P(Receiving, WorksOnWhatIsThereAndOnWhatComes) {
  const auto first = w_.accept("Hi, ");
  start(4);
  pass(100);
  EXPECT_EQ(status_of(first), status::done);
  const auto second = w_.accept("Hi, ");
  pass(100);
  EXPECT_EQ(status_of(second), status::done);
  EXPECT_THAT(handled_, ElementsAre(first, second));
}

TEST_P(ReceivingByRounds, OneRequestTellsWhatHasEndedAndAsksForMore) {
  for (int i = 0; i < 3; ++i) w_.accept("Hi, ");
  start(4);
  pass(100);
  ASSERT_GE(client_->rounds.size(), 2U);
  EXPECT_EQ(client_->rounds[0].max, 4U);
  EXPECT_EQ(client_->rounds[1].answers, 3U);
  EXPECT_EQ(client_->rounds[1].max, 4U) << "what comes along is in hand no more";
  EXPECT_EQ(client_->rounds[1].in_hand, 0U);
  EXPECT_EQ(client_->told_by_themselves, 0);
}

TEST_P(ReceivingByRounds, WhatWaitsForItsConfirmationIsNotParkedForLong) {
  w_.accept("Hi, ");
  start(4);
  pass(1'500);
  EXPECT_EQ(client_->rounds.at(0).wait, milliseconds(20'000));
  EXPECT_EQ(client_->rounds.at(1).wait, milliseconds(1'000));
  EXPECT_EQ(client_->rounds.at(2).wait, milliseconds(20'000)) << "and then it waits for work as long as it may";
  EXPECT_EQ(client_->extensions, 0);
}

TEST_P(Receiving, AsksForNoMoreThanItHasFreeHandlersFor) {
  for (int i = 0; i < 10; ++i) w_.accept("Hi, ");
  start(3, true);
  pass(100);
  ASSERT_THAT(client_->rounds, SizeIs(1)) << "and for nothing while it has none";
  EXPECT_EQ(client_->rounds[0].max, 3U);
  run_handlers();
  EXPECT_THAT(handled_, SizeIs(3));
}

TEST_P(ReceivingByRounds, WhileSomeWorkItAsksForAsMuchAsThereIsRoomFor) {
  w_.accept("Hi, ");
  start(3, true);
  pass(100);
  ASSERT_THAT(client_->rounds, SizeIs(2));
  EXPECT_EQ(client_->rounds[1].max, 2U);
  EXPECT_EQ(client_->rounds[1].in_hand, 1U);
}

TEST_P(Receiving, WhatEndsWhileARequestIsParkedIsToldByItself) {
  const auto id = w_.accept("Hi, ");
  start(3, true);
  pass(100);
  run_handlers();
  pass(10);
  EXPECT_EQ(status_of(id), status::done);
  EXPECT_EQ(client_->told_by_themselves, 1);
}

TEST_P(Receiving, AFailureIsToldAndComesRoundAgain) {
  const auto id = w_.accept("Hi, ");
  throws_ = true;
  start(4);
  pass(100);
  EXPECT_EQ(w_.find(id)->failures, 1);
  EXPECT_EQ(w_.find(id)->attempts.at(0).error, "cannot");
  throws_ = false;
  pass(10'000);
  EXPECT_EQ(status_of(id), status::done);
}

TEST_P(Receiving, LeasesOfWhatTakesLongAreExtended) {
  const auto id = w_.accept("Hi, ");
  start(4, true);
  pass(30'000);
  run_handlers();
  pass(100);
  EXPECT_EQ(status_of(id), status::done);
  EXPECT_THAT(handled_, SizeIs(1));
}

TEST_P(Receiving, ABrokerThatIsAwayIsAskedAgain) {
  client_->away = true;
  const auto id = w_.accept("Hi, ");
  start(4);
  pass(3'000);
  client_->away = false;
  pass(10'000);
  EXPECT_EQ(status_of(id), status::done);
}

TEST_P(Receiving, StoppingEndsThePauseBeforeAnAbsentBrokerIsAskedAgain) {
  client_->away = true;
  start(4);
  pass(20'000);
  expect_to_stop_at_once();
}

TEST_P(Receiving, AnOutcomeThatCouldNotBeToldIsToldAgain) {
  const auto id = w_.accept("Hi, ");
  start(4, true);
  client_->away = true;  // for receiving
  pass(5);
  run_handlers();
  client_->away = false;
  pass(10'000);
  EXPECT_EQ(status_of(id), status::done);
  EXPECT_THAT(handled_, SizeIs(1));
}

TEST_P(ReceivingByRounds, AnOutcomeThatWasTakenAlreadyIsNoRefusalThatWarns) {
  std::vector<std::string> warnings, notes;
  log::redirect([&](const log::line& line) {
    (line.severity == log::level::warning ? warnings : notes).emplace_back(line.text);
  });
  const auto id = w_.accept("Hi, ");
  client_->loses_told = true;
  start(4);
  pass(3'000);
  log::redirect(nullptr);
  EXPECT_EQ(status_of(id), status::done);
  EXPECT_THAT(handled_, ElementsAre(id));
  EXPECT_THAT(warnings, testing::Not(testing::Contains(testing::HasSubstr("refused"))));
  EXPECT_THAT(notes, testing::Contains(testing::HasSubstr("was told again, and perhaps taken the first time")));
}

TEST_P(Receiving, StoppingEndsTheRequestThatIsParked) {
  start(4);
  ASSERT_EQ(w_.receivers->size(), 1U);
  const auto before = w_.world.env().timers->now();
  EXPECT_TRUE(stop());
  EXPECT_LT(w_.world.env().timers->now() - before, milliseconds(1'000));
  EXPECT_EQ(client_->rounds.back().max, 0U);
  EXPECT_EQ(w_.receivers->size(), 0U);
  runtime_.reset();
}

TEST_P(ReceivingByRounds, WhatArrivesWhileItStopsIsReleased) {
  client_->slow_response = std::make_shared<one_shot<bool>>(w_.world.env().executor);
  const auto slow = client_->slow_response;
  const auto id = w_.accept("Hi, ");
  start(4);
  ASSERT_EQ(w_.find(id)->unanswered, 1);
  const auto timer = w_.world.env().timers->start(milliseconds(100), [slow] { slow->set(true); });
  EXPECT_TRUE(stop());
  runtime_.reset();
  EXPECT_THAT(handled_, IsEmpty());
  EXPECT_EQ(w_.find(id)->unanswered, 0);
}

TEST_P(ReceivingAsItComes, OneRequestBringsEverything) {
  start(4);
  for (int i = 0; i < 50; ++i) {
    w_.accept("Hi, ");
    pass(10);
  }
  EXPECT_THAT(handled_, SizeIs(50));
  EXPECT_THAT(client_->rounds, SizeIs(1));
}

TEST_P(ReceivingAsItComes, WhatEndsMakesRoomForWhatWaits) {
  for (int i = 0; i < 10; ++i) w_.accept("Hi, ");
  start(3, true);
  for (std::size_t done = 3; done <= 9; done += 3) {
    run_handlers();
    EXPECT_THAT(handled_, SizeIs(done)) << "no more than there are handlers for";
    pass(20);
  }
  run_handlers();
  EXPECT_THAT(handled_, SizeIs(10));
  EXPECT_THAT(client_->rounds, SizeIs(1));
}

TEST_P(ReceivingAsItComes, TextsInHandTakeUpRoom) {
  for (int i = 0; i < 4; ++i) w_.accept("Hi, ");  // four bytes each
  start(4, true, 8);
  run_handlers();
  EXPECT_THAT(handled_, SizeIs(2));
  pass(20);
  run_handlers();
  EXPECT_THAT(handled_, SizeIs(4));
}

TEST_P(ReceivingAsItComes, BytesTakeUpNoMoreRoomThanTheyGiveBack) {
  content bytes(to_base64(std::string(300, '.')));
  bytes.form = content_form::bytes;
  broker::life_cycle::accept_options options;
  options.to = to_queue{"topic-a"};
  start(4, false, 1'000);
  for (int i = 0; i < 100; ++i) {
    w_.world.run(w_.messages->accept(w_.messages->new_id(), bytes, options));
    pass(10);
  }
  EXPECT_THAT(handled_, SizeIs(100));
  EXPECT_THAT(client_->rounds, SizeIs(1));
}

TEST_P(ReceivingAsItComes, BesideWhatIsAloneNothingIsTakenThoughItIsCancelled) {
  const auto poison = left_unanswered_twice();
  pass(11'000);
  start(4, true);
  ASSERT_EQ(w_.find(poison)->unanswered, 3);
  w_.world.run(w_.messages->cancel(poison));
  const auto next = w_.accept("Hi, ");
  pass(1'000);
  EXPECT_EQ(w_.find(next)->unanswered, 0) << "the handler of the other still runs";
  run_handlers();
  pass(1'000);
  run_handlers();
  pass(100);
  EXPECT_EQ(status_of(next), status::done);
}

TEST_P(ReceivingAsItComes, NothingIsGivenAloneBesideAHandlerThatStillRuns) {
  const auto poison = left_unanswered_twice();
  start(4, true);
  const auto other = w_.accept("Hi, ");
  pass(10);
  ASSERT_EQ(w_.find(other)->unanswered, 1);
  w_.world.run(w_.messages->cancel(other));
  pass(15'000);
  EXPECT_EQ(w_.find(poison)->unanswered, 2);
  run_handlers();
  pass(1'000);
  EXPECT_EQ(w_.find(poison)->unanswered, 3);
}

TEST_P(ReceivingAsItComes, ARequestWhoseTimeIsOverIsFollowedByAnother) {
  start(4);
  pass(25'000);
  const auto id = w_.accept("Hi, ");
  pass(100);
  EXPECT_EQ(status_of(id), status::done);
  EXPECT_THAT(client_->rounds, SizeIs(2));
}

class ReceivingWithClosedQueues : public Receiving {
 protected:
  ReceivingWithClosedQueues() : Receiving({"broker.queues_closed=true"}) {}
};

INSTANTIATE_TEST_SUITE_P(Ways, ReceivingWithClosedQueues, ways, name_of);

TEST_P(ReceivingWithClosedQueues, AQueueThatThereIsNotIsTold) {
  std::vector<std::string> warnings;
  log::redirect([&](const log::line& line) {
    if (line.severity == log::level::warning) warnings.emplace_back(line.text);
  });
  service_.queue = "topic-x";
  start(4);
  pass(3'000);
  log::redirect(nullptr);
  EXPECT_THAT(warnings, testing::Contains(testing::HasSubstr("names the queue \"topic-x\"")));
  EXPECT_EQ(w_.receivers->size(), 0U);
}

class RoundsWithClosedQueues : public ReceivingWithClosedQueues {};
INSTANTIATE_TEST_SUITE_P(Ways, RoundsWithClosedQueues, testing::Values(way::over_http), name_of);

TEST_P(RoundsWithClosedQueues, OutcomesThatComeAlongAreSettledAllTheSame) {
  const auto id = w_.accept("Hi, ");
  receive_round asked{.queue = "topic-a", .worker = "w", .max = 1};
  asked.max_bytes = 1'000;
  ASSERT_THAT(w_.world.run(client_->receive(asked)).deliveries, SizeIs(1));
  asked.queue = "topic-x";
  asked.answers = {{id, 1, "Hi, X. Bye!", {}}};
  EXPECT_TRUE(w_.world.run(client_->receive(asked)).answers.at(0));
  EXPECT_EQ(status_of(id), status::done);
  asked.answers.clear();
  EXPECT_THROW(w_.world.run(client_->receive(asked)), unavailable);
}

using ReceivingOverHttp = runtime_test;

TEST_F(ReceivingOverHttp, WhereOneOutcomeIsTheCauseTheOthersAreTaken) {
  const auto good = w_.accept("Hi, "), bad = w_.accept("Hi, ");
  auto calls = std::make_shared<tests::api_caller>(w_);
  calls->body_max_bytes = 2'000;
  auto client = make_http_broker_client(calls, milliseconds(1'000));
  receive_round asked{.queue = "topic-a", .worker = "w", .max = 2};
  asked.max_bytes = 1'000;
  w_.world.run(client->receive(asked));
  asked.answers = {{good, 1, "Hi, X. Bye!", {}}, {bad, 1, std::string(3'000, '.'), {}}};
  const auto came = w_.world.run(client->receive(asked));
  EXPECT_TRUE(came.answers.at(0));
  EXPECT_EQ(came.answers.at(1).error().code, errc::too_large);
  EXPECT_EQ(status_of(good), status::done);
}

}  // namespace
}  // namespace amc::service
