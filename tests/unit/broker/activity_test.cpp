#include "broker/activity.hpp"

#include <gmock/gmock.h>

#include "message_store/store.hpp"
#include "tests/support/set_clock.hpp"

namespace amc::broker {
namespace {

class Activity : public testing::Test {
 protected:
  timestamp now() const { return timestamp(milliseconds(1'700'000'000'000)) + passed_; }
  void pass(int ms) {
    passed_ += milliseconds(ms);
    clock_->pass(milliseconds(ms));
  }
  message posted(const std::string& queue) {
    message m;
    *(m.id.end() - 1) = ++last_;
    m.queue = queue;
    m.created_at = m.updated_at = now();
    seen_.arrived(m);
    return m;
  }
  void claim(message& m, const std::string& holder = "s/w", std::optional<timestamp> held_until = {}) {
    change_row({.then = {.held = true, .new_claim = 1, .holder = holder, .unanswered = effect::count::one_more}}, m,
               now());
    seen_.claimed(m, held_until);
  }
  void answer(message& m) {
    change_row({.then = {.text = "y", .status = status::done, .queue = "", .unanswered = effect::count::zero}}, m,
               now());
    seen_.answered(m);
  }
  /// To whoever waits for it in another queue.
  void hand_off_answer(message& m) {
    change_row({.then = {.text = "y",
                         .queue = "r",
                         .held = true,
                         .new_claim = 2,
                         .holder = "b/1",
                         .unanswered = effect::count::one}},
               m, now());
    seen_.answered(m);
    seen_.claimed(m, m.updated_at);
  }
  void fail(message& m) {
    change_row({.then = {.unanswered = effect::count::zero, .failures = effect::count::one_more, .error = "no"}}, m,
               now());
    seen_.failed(m);
  }
  std::vector<std::string> services(const std::string& queue) const {
    std::vector<std::string> names;
    for (const auto& s : seen_.of(queue).services) names.push_back(s.name);
    return names;
  }

  std::shared_ptr<tests::set_clock> clock_ = std::make_shared<tests::set_clock>();
  metrics numbers_;
  activity seen_{clock_, numbers_, {.queues_max = 3, .services_max = 2, .points_max = 4, .claims_max = 100}};
  milliseconds passed_{};
  std::uint8_t last_ = 0;
};

TEST_F(Activity, RatesAreOfTheLastMinute) {
  pass(60'000);
  for (int i = 0; i < 30; ++i) {
    auto m = posted("q");
    claim(m);
    i % 3 == 0 ? fail(m) : answer(m);
    pass(1'000);
  }
  EXPECT_DOUBLE_EQ(seen_.of("q").in_per_s, 0.5);
  EXPECT_NEAR(seen_.of("q").out_per_s, 20.0 / 60, 1e-9);
  EXPECT_NEAR(seen_.of("q").failed_per_s, 10.0 / 60, 1e-9);
  pass(60'000);
  EXPECT_EQ(seen_.of("q").in_per_s, 0);
}

TEST_F(Activity, AProcessThatHasJustBegunTellsTheRateSince) {
  pass(10'000);
  for (int i = 0; i < 20; ++i) posted("q");
  EXPECT_DOUBLE_EQ(seen_.of("q").in_per_s, 2);
}

TEST_F(Activity, TheServicesSeenLastAreKept) {
  for (const auto* holder : {"a/1", "b/1", "a/2", "c/1"}) {
    seen_.asked("q", holder);
    pass(1'000);
  }
  EXPECT_THAT(services("q"), testing::ElementsAre("c", "a"));
  EXPECT_EQ(seen_.of("q").services.at(1).seen_ago, milliseconds(2'000));
  EXPECT_THAT(seen_.received_from(), testing::ElementsAre("q"));
}

TEST_F(Activity, QueuesThatAreOnlyAskedForMakeWay) {
  posted("used");
  for (const auto* queue : {"x", "y", "z"}) {
    seen_.asked(queue, "a/1");
    pass(1);
  }
  EXPECT_THAT(services("z"), testing::ElementsAre("a"));
  EXPECT_THAT(services("x"), testing::IsEmpty());
  EXPECT_GT(seen_.of("used").in_per_s, 0);
  for (const auto* queue : {"v", "w"}) posted(queue);
  posted("one more");
  EXPECT_EQ(seen_.of("one more").in_per_s, 0) << "is not told apart";
  EXPECT_THAT(numbers_.text(), testing::HasSubstr("amc_queue_arrivals_total{queue=\"(others)\"} 1"));
}

TEST_F(Activity, WaitsAndWorkAreMeasured) {
  auto m = posted("q");
  pass(3'000);
  claim(m);
  pass(40'000);
  EXPECT_EQ(seen_.claimed_for(m), milliseconds(40'000));
  answer(m);
  EXPECT_FALSE(seen_.claimed_for(m));
  const auto text = numbers_.text();
  EXPECT_THAT(text, testing::HasSubstr(R"(amc_message_wait_seconds_sum{queue="q"} 3)"));
  EXPECT_THAT(text, testing::HasSubstr(R"(amc_message_processing_seconds_sum{queue="q"} 40)"));
  EXPECT_THAT(text, testing::HasSubstr(R"(amc_queue_outcomes_total{outcome="answered",queue="q",service="s"} 1)"));
}

TEST_F(Activity, WhatIsToBeDeliveredLaterWaitsFromThenOn) {
  auto by_look = posted("looked");
  pass(100'000);
  claim(by_look, "s/w", now() - milliseconds(2'000));
  auto rung = posted("rung");
  pass(100'000);
  rung.updated_at = now();
  seen_.opened(rung, now());
  pass(5'000);
  claim(rung);
  EXPECT_THAT(numbers_.text(), testing::HasSubstr(R"(amc_message_wait_seconds_sum{queue="looked"} 2)"));
  EXPECT_THAT(numbers_.text(), testing::HasSubstr(R"(amc_message_wait_seconds_sum{queue="rung"} 5)"));
}

TEST_F(Activity, OnlyTheFirstClaimOfARevisionHasWaited) {
  auto m = posted("q");
  claim(m);
  fail(m);
  pass(100'000);
  claim(m);
  EXPECT_THAT(numbers_.text(), testing::HasSubstr(R"(amc_message_wait_seconds_count{queue="q"} 1)"));
}

TEST_F(Activity, AnAnswerThatIsHandedOffCountsAsAnyOther) {
  for (const auto* other : {"", "another process"}) {
    if (*other) seen_.changed_elsewhere(other);
    auto m = posted("q");
    claim(m, "a/1");
    pass(2'000);
    hand_off_answer(m);
  }
  EXPECT_THAT(
      numbers_.text(),
      testing::AllOf(testing::HasSubstr(R"(amc_message_processing_seconds_sum{queue="q"} 4)"),
                     testing::HasSubstr(R"(amc_queue_outcomes_total{outcome="answered",queue="q",service="a"} 2)"),
                     testing::HasSubstr(R"(amc_message_wait_seconds_count{queue="r"} 2)"),
                     testing::HasSubstr(R"(amc_message_wait_seconds_sum{queue="r"} 0)")));
}

TEST_F(Activity, AHandedOffAnswerOfWhoClaimedElsewhereIsItsOwn) {
  seen_.changed_elsewhere("another process");
  auto m = posted("q");
  claim(m, "a/1");
  pass(2'000);
  change_row({.then = {.held = true, .new_claim = 3, .holder = "c/1", .unanswered = effect::count::one_more}}, m,
             now());
  hand_off_answer(m);
  EXPECT_THAT(
      numbers_.text(),
      testing::AllOf(testing::HasSubstr(R"(amc_queue_outcomes_total{outcome="answered",queue="q",service="c"} 1)"),
                     testing::HasSubstr(R"(amc_message_processing_seconds_count{queue="q"} 0)")));
}

TEST_F(Activity, ServicesBeyondThoseToldApartCountTogether) {
  for (const auto* holder : {"a/1", "b/1", "c/1", "d/1", "a/2", ""}) {
    auto m = posted("q");
    claim(m, holder);
    answer(m);
  }
  const auto of = [](const char* service, int count) {
    return testing::HasSubstr(R"(amc_queue_outcomes_total{outcome="answered",queue="q",service=")" +
                              std::string(service) + "\"} " + std::to_string(count));
  };
  EXPECT_THAT(numbers_.text(), testing::AllOf(of("a", 2), of("b", 1), of("(others)", 3)));
}

TEST_F(Activity, TheSeriesHasAPointForEachSpanOfTime) {
  auto m = posted("q");
  seen_.counted("q", 7, milliseconds(1'000));
  claim(m);
  pass(900);
  answer(m);
  pass(60'000);
  posted("q");
  const auto told = seen_.series("q");
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(told[0].in, 1U);
  EXPECT_EQ(told[0].out, 1U);
  EXPECT_EQ(told[0].pending, 7U);
  EXPECT_EQ(told[0].oldest_age, milliseconds(1'000));
  EXPECT_GE(*told[0].p50, milliseconds(900));
  EXPECT_LE(*told[0].p50, milliseconds(1'350));
  EXPECT_EQ(told[1].in, 0U);
  EXPECT_FALSE(told[1].p50 || told[1].pending);
  EXPECT_EQ(told[2].in, 1U);
  EXPECT_EQ(told[1].began_ago - told[2].began_ago, milliseconds(30'000));
  EXPECT_TRUE(seen_.series("unknown").empty());
}

TEST_F(Activity, TheSeriesIsBounded) {
  for (int i = 0; i < 10; ++i) {
    posted("q");
    pass(30'000);
  }
  pass(30'000);
  std::vector<std::uint32_t> in;
  for (const auto& point : seen_.series("q")) in.push_back(point.in);
  EXPECT_THAT(in, testing::ElementsAre(1, 1, 0, 0));
  pass(3'600'000);
  EXPECT_EQ(seen_.series("q").size(), 4U);
}

TEST_F(Activity, ThePaceIsThatSinceTheQueueWasEmptyLast) {
  for (int i = 0; i < 50; ++i) {  // one a second, each at once: the queue is empty in between
    auto m = posted("q");
    claim(m);
    pass(1'000);
  }
  EXPECT_FALSE(seen_.pace_before(posted("q"), now())) << "nothing was claimed while others waited";
  std::vector<message> burst;
  for (int i = 0; i < 100; ++i) burst.push_back(posted("q"));
  for (int i = 0; i < 60; ++i) {
    claim(burst[static_cast<std::size_t>(i)]);
    pass(100);
  }
  const auto at = seen_.pace_before(burst.back(), now());
  ASSERT_TRUE(at);
  EXPECT_NEAR(at->per_second(), 10, 0.5);
  EXPECT_FALSE(seen_.pace_before(posted("other"), now()));
}

TEST_F(Activity, WhereOthersWorkThePaceIsNotKnown) {
  std::vector<message> burst;
  for (int i = 0; i < 100; ++i) burst.push_back(posted("q"));
  for (int i = 0; i < 60; ++i) {
    claim(burst[static_cast<std::size_t>(i)]);
    pass(100);
  }
  seen_.changed_elsewhere("another");
  EXPECT_FALSE(seen_.pace_before(burst.back(), now()));
  EXPECT_TRUE(seen_.others_work());
  pass(60'001);
  EXPECT_FALSE(seen_.others_work());
}

TEST_F(Activity, TheServiceStandsBeforeTheLastSlash) {
  EXPECT_EQ(service_of("billing/invoicer/w1"), "billing/invoicer");
  EXPECT_EQ(service_of("invoicer"), "invoicer");
  EXPECT_EQ(service_of(""), "");
}

TEST_F(Activity, ServicesThatOthersHaveSeenAreToldByThem) {
  seen_.asked("q", "here/1");
  pass(1'000);
  seen_.heard({"q", {{"there", milliseconds(200)}}});
  EXPECT_THAT(services("q"), testing::ElementsAre("there", "here"));
  const auto told = seen_.received_here();
  ASSERT_EQ(told.size(), 1U);
  ASSERT_EQ(told[0].services.size(), 1U);
  EXPECT_EQ(told[0].services[0].name, "here");
  EXPECT_EQ(told[0].services[0].seen_ago, milliseconds(1'000));
}

/// Two processes that take turns at one queue; each tells the other what it has claimed.
class TwoProcesses : public Activity {
 protected:
  /// A message a tenth of a second, for so many seconds; the other's clock is behind by `behind_`.
  void work_off(std::vector<message>& waiting, int for_seconds, bool is_told) {
    for (int i = 0; i < for_seconds; ++i) {
      for (int tenth = 0; tenth < 10; ++tenth, pass(100)) {
        auto& next = waiting.at(taken_++);
        if (tenth % 2 == 0)
          claim(next);
        else
          claim_at_other(next);
      }
      if (!is_told) continue;
      auto told = other_.received_here();
      for (auto& each : told) each.from = "other";
      for (auto& each : told) each.second -= 1'000;
      for (const auto& each : told) seen_.heard(each);
    }
  }
  void claim_at_other(message& m) {
    change_row({.then = {.held = true, .new_claim = 1, .holder = "t/w", .unanswered = effect::count::one_more}}, m,
               now());
    other_.claimed(m);
    seen_.changed_elsewhere("other");
  }
  std::vector<message> posted_many(int count) {
    std::vector<message> all;
    for (int i = 0; i < count; ++i) all.push_back(posted("q"));
    return all;
  }

  metrics other_numbers_;
  activity other_{clock_, other_numbers_, {.queues_max = 3, .services_max = 2, .points_max = 4, .claims_max = 100}};
  std::size_t taken_ = 0;
};

TEST_F(TwoProcesses, ThePaceIsOfBothTogether) {
  auto waiting = posted_many(250);
  work_off(waiting, 20, true);
  const auto at = seen_.pace_before(waiting.back(), now());
  ASSERT_TRUE(at);
  EXPECT_NEAR(at->per_second(), 10, 0.5);
}

TEST_F(TwoProcesses, WhoTellsNothingLeavesThePaceUnknown) {
  auto waiting = posted_many(250);
  work_off(waiting, 20, false);
  EXPECT_FALSE(seen_.pace_before(waiting.back(), now()));
}

TEST_F(TwoProcesses, WhatHasNotWaitedForLongSaysNothing) {
  auto waiting = posted_many(250);
  work_off(waiting, 20, true);
  EXPECT_FALSE(seen_.pace_before(posted("q"), now())) << "it may have come to an empty queue";
}

TEST_F(TwoProcesses, WhatIsToldTwiceCountsOnce) {
  auto waiting = posted_many(250);
  work_off(waiting, 20, true);
  auto again = other_.received_here();
  again.at(0).from = "other";
  again.at(0).second -= 1'000;
  for (int i = 0; i < 3; ++i) seen_.heard(again.at(0));
  EXPECT_NEAR(seen_.pace_before(waiting.back(), now())->per_second(), 10, 0.5);
}

TEST_F(Activity, WhoWasSeenHereSinceIsNotPutBackByWhatOthersTell) {
  seen_.asked("q", "s/1");
  pass(100);
  seen_.heard({"q", {{"s", milliseconds(500)}}});
  EXPECT_EQ(seen_.of("q").services.at(0).seen_ago, milliseconds(100));
  EXPECT_EQ(seen_.received_here().size(), 1U);
}

TEST_F(Activity, WhoWasSeenLongAgoIsToldToNobody) {
  seen_.asked("q", "s/1");
  pass(60'001);
  EXPECT_TRUE(seen_.received_here().empty());
}

}  // namespace
}  // namespace amc::broker
