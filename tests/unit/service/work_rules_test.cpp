#include "service/work_rules.hpp"

#include <gmock/gmock.h>

#include <random>
#include <set>

namespace amc::service {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

uuid id_of(int number) {
  uuid id{};
  id.data[14] = static_cast<std::uint8_t>(number / 256);
  id.data[15] = static_cast<std::uint8_t>(number % 256);
  return id;
}

runtime_options options_of(std::size_t concurrency, std::shared_ptr<company> with = std::make_shared<company>()) {
  runtime_options options;
  options.concurrency = concurrency;
  options.handler_timeout = seconds(100);
  options.company = std::move(with);
  return options;
}

result<claimed_revision> granting(std::string text = "Hi, ") {
  claimed_revision granted;
  granted.claim = 7;
  granted.text = std::move(text);
  granted.lease = seconds(60);
  return granted;
}

handler_outcome saying(std::string text) {
  return answered{std::move(text)};
}

result<claimed_revision> refusing(errc why) {
  return error{why, "no"};
}

/// Rules without a server, a clock or a coroutine: the test says what happens, and when.
class WorkRules : public testing::Test {
 protected:
  void hear(std::initializer_list<int> numbers) { hear(rules_, numbers); }
  static void hear(work_rules& by, std::initializer_list<int> numbers) {
    std::vector<work_rules::received> events;
    for (const int n : numbers) events.push_back({static_cast<std::uint64_t>(n), {id_of(n), 1, {}}});
    by.hear(std::move(events));
  }

  /// What is claimed next: "1 2", or "3 alone"; empty for nothing.
  std::string claimed_next() { return claimed_next(rules_); }
  static std::string claimed_next(work_rules& by) {
    std::string told;
    if (const auto requests = by.next_claim())
      for (const auto& r : *requests)
        told += (told.empty() ? "" : " ") + std::to_string(r.ready.id.data[15]) + (r.alone ? " alone" : "");
    return told;
  }

  work_rules::decision decide(std::vector<result<claimed_revision>> results) {
    return decide(rules_, std::move(results));
  }
  work_rules::decision decide(work_rules& by, std::vector<result<claimed_revision>> results) {
    auto made = by.claim_decided(std::move(results), now_);
    by.claim_over();
    by.check();
    return made;
  }

  /// Hears, claims and is granted: the numbers of the deliveries in hand.
  std::vector<std::uint64_t> take(std::initializer_list<int> numbers) {
    hear(numbers);
    claimed_next();
    std::vector<std::uint64_t> taken;
    for (const auto& one : decide(std::vector<result<claimed_revision>>(numbers.size(), granting())).begin)
      taken.push_back(one.number);
    return taken;
  }

  /// The broker has taken the first of what is told, and said nothing of the others.
  static void tell_first(work_rules& by) {
    const auto next = by.next_telling();
    by.forget(next->numbers.at(0));
    by.telling_over(next->numbers);
  }

  void tell_everything() {
    while (const auto next = rules_.next_telling()) {
      for (const auto number : next->numbers) rules_.forget(number);
      rules_.telling_over(next->numbers);
    }
  }

  work_rules::time_point now_{};
  int went_on_ = 0;
  work_rules rules_{options_of(2), [this] { ++went_on_; }};
};

// ---- claiming ----

TEST_F(WorkRules, ClaimsAsMuchAsThereAreFreeHandlersForAndNoMore) {
  hear({1, 2, 3});
  EXPECT_EQ(claimed_next(), "1 2");
  EXPECT_EQ(claimed_next(), "") << "one claim at a time";
  const auto made = decide({granting(), granting()});
  EXPECT_THAT(made.settled, ElementsAre(1, 2));
  EXPECT_THAT(made.begin, SizeIs(2));
  EXPECT_EQ(claimed_next(), "") << "no handler is free";
  rules_.handler_ended(made.begin[0].number, saying("x"));
  EXPECT_EQ(claimed_next(), "") << "its answer is not told yet";
  tell_everything();
  EXPECT_EQ(claimed_next(), "3");
}

TEST_F(WorkRules, WhatIsRefusedIsSettledAndFreesItsPlace) {
  hear({1, 2, 3});
  claimed_next();
  const auto made = decide({refusing(errc::held), refusing(errc::stale)});
  EXPECT_THAT(made.settled, ElementsAre(1, 2));
  EXPECT_THAT(made.begin, IsEmpty());
  EXPECT_EQ(claimed_next(), "3");
}

TEST_F(WorkRules, WhatTheBrokerCouldNotBeAskedIsAskedAgainInItsOrder) {
  hear({1, 2, 3});
  claimed_next();
  rules_.claim_undecided();
  EXPECT_EQ(claimed_next(), "") << "not before the pause is over";
  rules_.claim_over();
  EXPECT_EQ(claimed_next(), "1 2");
}

TEST_F(WorkRules, ALonelyMessageWaitsUntilNothingIsInHandAndThenRunsAlone) {
  hear({1, 2, 3});
  claimed_next();
  const auto made = decide({refusing(errc::needs_alone), granting()});
  EXPECT_THAT(made.settled, ElementsAre(2)) << "the lonely one's event stays ours";
  EXPECT_EQ(claimed_next(), "");
  rules_.handler_ended(made.begin[0].number, saying("x"));
  tell_everything();
  EXPECT_EQ(claimed_next(), "1 alone");
  const auto lonely = decide({granting()});
  EXPECT_EQ(claimed_next(), "") << "nothing beside it";
  rules_.handler_ended(lonely.begin[0].number, saying("x"));
  tell_everything();
  EXPECT_EQ(claimed_next(), "3");
}

TEST_F(WorkRules, AfterALonelyRunTheOthersHaveTheirTurn) {
  hear({1, 2});
  claimed_next();
  decide({refusing(errc::needs_alone), refusing(errc::needs_alone)});
  hear({3, 4});
  EXPECT_EQ(claimed_next(), "1 alone");
  decide({refusing(errc::stale)});
  EXPECT_EQ(claimed_next(), "3 4");
  decide({refusing(errc::stale), refusing(errc::stale)});
  EXPECT_EQ(claimed_next(), "2 alone");
}

TEST_F(WorkRules, ALonelyMessageWaitsForAFreeHandlerAndOthersDoNotWaitForIt) {
  const auto all = std::make_shared<company>();
  work_rules stuck(options_of(2, all), [] {});
  work_rules other(options_of(2, all), [] {});
  const auto run_over = [&](const std::string& claimed) {
    ASSERT_EQ(claimed_next(stuck), claimed);
    decide(stuck, {granting()});
    stuck.end_overdue(now_ += seconds(200));
    tell_first(stuck);
  };
  hear(stuck, {1, 2});
  claimed_next(stuck);
  decide(stuck, {refusing(errc::needs_alone), refusing(errc::needs_alone)});
  hear(stuck, {3});
  run_over("1 alone");
  EXPECT_EQ(claimed_next(stuck), "3");
  decide(stuck, {refusing(errc::needs_alone)});
  run_over("2 alone");
  EXPECT_EQ(stuck.overdue(), 2U) << "handlers that do not end";
  EXPECT_EQ(claimed_next(stuck), "");
  hear(other, {4});
  EXPECT_EQ(claimed_next(other), "4");
  decide(other, {refusing(errc::stale)});
  EXPECT_FALSE(stuck.handler_ended(1, saying("late")));
  EXPECT_EQ(claimed_next(stuck), "3 alone");
}

TEST_F(WorkRules, OneOfACompanyRunsAloneWhenNoOtherHasAnythingInHand) {
  const auto all = std::make_shared<company>();
  int went_on = 0;
  work_rules lonely(options_of(2, all), [&] { ++went_on; });
  work_rules busy(options_of(2, all), [] {});
  hear(busy, {1});
  claimed_next(busy);
  const auto made = decide(busy, {granting()});
  hear(lonely, {2});
  claimed_next(lonely);
  decide(lonely, {refusing(errc::needs_alone)});
  EXPECT_EQ(claimed_next(lonely), "");
  hear(busy, {3});
  EXPECT_EQ(claimed_next(busy), "") << "it lets the lonely one go first";
  went_on = 0;
  busy.handler_ended(made.begin[0].number, saying("x"));
  tell_first(busy);
  EXPECT_EQ(went_on, 1);
  EXPECT_EQ(claimed_next(lonely), "2 alone");
  decide(lonely, {refusing(errc::stale)});
  EXPECT_EQ(claimed_next(busy), "3");
}

TEST_F(WorkRules, WhatNeedsRoomIsClaimedByItselfButNotAlone) {
  hear({1, 2});
  claimed_next();
  const auto made = decide({refusing(errc::needs_room), granting()});
  EXPECT_THAT(made.settled, ElementsAre(2)) << "the large one's event stays ours";
  EXPECT_THAT(made.refused, IsEmpty());
  EXPECT_EQ(claimed_next(), "1") << "beside what is in hand";
  EXPECT_THAT(decide({granting()}).begin, SizeIs(1));
}

TEST_F(WorkRules, WhatNeededRoomOnceIsClaimedByItselfWhenItComesRoundAgain) {
  hear({1, 2});
  claimed_next();
  decide({refusing(errc::needs_room), refusing(errc::needs_room)});
  claimed_next();
  decide({refusing(errc::held)});  // granted before, by an answer that was lost
  claimed_next();
  rules_.claim_undecided();
  rules_.claim_over();
  hear({3, 1});
  EXPECT_EQ(claimed_next(), "2");
  decide({granting()});
  EXPECT_EQ(claimed_next(), "1");
  decide({refusing(errc::stale)});
  EXPECT_EQ(claimed_next(), "3");
}

TEST_F(WorkRules, WhatHasNoRoomEvenByItselfIsNotClaimedAgain) {
  hear({1});
  claimed_next();
  const auto made = decide({refusing(errc::needs_room)});
  EXPECT_THAT(made.settled, ElementsAre(1));
  ASSERT_THAT(made.refused, SizeIs(1));
  EXPECT_TRUE(made.refused[0].out_of_reach);
  const std::vector<work_rules::received> again{{9, {id_of(1), 1, {}}}, {10, {id_of(1), 2, {}}}};
  EXPECT_THAT(rules_.hear(again), ElementsAre(9)) << "done with at once";
  EXPECT_EQ(claimed_next(), "1") << "its next revision may be smaller";
}

TEST_F(WorkRules, OfManyThatHadNoRoomTheLatestAreRemembered) {
  constexpr int remembered = 10'000;
  for (int i = 0; i <= remembered; ++i) {
    hear({i});
    claimed_next();
    decide({refusing(errc::needs_room)});
  }
  EXPECT_THAT(rules_.hear({{1, {id_of(0), 1, {}}}}), IsEmpty()) << "claimed once more";
  EXPECT_THAT(rules_.hear({{2, {id_of(1), 1, {}}}}), ElementsAre(2));
}

TEST_F(WorkRules, WhatIsInHandIsBoundedByBytesAndOneIsAlwaysTaken) {
  auto options = options_of(8);
  options.in_hand_max_bytes = 100;
  work_rules rules(options, [] {});
  hear(rules, {1});
  claimed_next(rules);
  const auto made = decide(rules, {granting(std::string(1'000, '.'))});
  hear(rules, {2});
  EXPECT_EQ(claimed_next(rules), "");
  rules.handler_ended(made.begin[0].number, saying("x"));
  EXPECT_EQ(claimed_next(rules), "");
  tell_first(rules);
  EXPECT_EQ(claimed_next(rules), "2");
}

TEST_F(WorkRules, ARefusalThatIsNotTheCourseOfThingsIsTold) {
  hear({1, 2});
  claimed_next();
  const auto made = decide({refusing(errc::unknown), refusing(errc::invalid)});
  EXPECT_THAT(made.settled, ElementsAre(1, 2));
  ASSERT_THAT(made.refused, SizeIs(2));
  EXPECT_FALSE(made.refused[0].out_of_reach);
}

// ---- working ----

TEST_F(WorkRules, BesideWhatMustBeAloneThereIsRoomForNothing) {
  claimed_revision work = *granting();
  work.alone = true;
  const auto number = rules_.take_in({work}, now_).at(0).number;
  EXPECT_EQ(rules_.free_room({}).deliveries, 0U);
  EXPECT_FALSE(rules_.any_room_in_the_end());
  rules_.handler_ended(number, saying("x"));
  EXPECT_TRUE(rules_.any_room_in_the_end());
  const auto told = rules_.next_telling();
  EXPECT_EQ(rules_.free_room(told).deliveries, 2U) << "once that is told";
  EXPECT_EQ(rules_.free_room({}).deliveries, 0U) << "and no sooner";
  rules_.forget(number);
  rules_.telling_over(told->numbers);
  EXPECT_EQ(rules_.free_room({}).deliveries, 2U);
}

TEST_F(WorkRules, ALeaseIsExtendedWhenAThirdOfItIsOver) {
  const auto taken = take({1});
  EXPECT_EQ(rules_.until_next_look(now_), seconds(10)) << "a sixth of a lease";
  EXPECT_THAT(rules_.leases_to_extend(now_ + seconds(19)), IsEmpty());
  const auto due = rules_.leases_to_extend(now_ + seconds(20));
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_EQ(due[0].number, taken[0]);
  EXPECT_EQ(due[0].what.claim, 7);
  rules_.extended(taken[0], now_ + seconds(80));
  EXPECT_THAT(rules_.leases_to_extend(now_ + seconds(20)), IsEmpty());
}

TEST_F(WorkRules, AClaimThatIsLostIsNotExtendedAgainAndItsAnswerIsTold) {
  const auto taken = take({1});
  rules_.lost(taken[0]);
  EXPECT_THAT(rules_.leases_to_extend(now_ + seconds(60)), IsEmpty());
  EXPECT_EQ(rules_.until_next_look(now_), seconds(60)) << "only the handler's time counts, and the longest pause";
  rules_.handler_ended(taken[0], saying("x"));
  EXPECT_THAT(rules_.next_telling()->answers, SizeIs(1));
}

TEST_F(WorkRules, AHandlerWhoseTimeIsOverHasFailedAndItsLateAnswerCountsForNothing) {
  const auto taken = take({1});
  rules_.end_overdue(now_ + seconds(99));
  EXPECT_FALSE(rules_.anything_untold());
  rules_.end_overdue(now_ + seconds(100));
  const auto next = rules_.next_telling();
  ASSERT_THAT(next->failures, SizeIs(1));
  EXPECT_EQ(next->failures[0].reason, "the handler took longer than 100000 ms");
  EXPECT_EQ(rules_.overdue(), 1U);
  EXPECT_FALSE(rules_.handler_ended(taken[0], saying("late")));
  EXPECT_EQ(rules_.overdue(), 0U);
}

// ---- telling ----

TEST_F(WorkRules, TellsTogetherWhatHasEndedAndAnswersAndFailuresTakeTurns) {
  work_rules rules(options_of(8), [] {});
  hear(rules, {1, 2, 3, 4});
  claimed_next(rules);
  const auto made = decide(rules, std::vector<result<claimed_revision>>(4, granting()));
  rules.handler_ended(made.begin[0].number, saying("a"));
  rules.handler_ended(made.begin[1].number, handler_failure{"b"});
  rules.handler_ended(made.begin[2].number, saying("c"));
  const auto first = rules.next_telling();
  EXPECT_THAT(first->answers, SizeIs(2));
  EXPECT_THAT(first->failures, IsEmpty());
  rules.handler_ended(made.begin[3].number, saying("d"));
  for (const auto number : first->numbers) rules.forget(number);
  rules.telling_over(first->numbers);
  const auto second = rules.next_telling();
  EXPECT_THAT(second->answers, IsEmpty());
  EXPECT_THAT(second->failures, SizeIs(1)) << "answers that keep coming do not keep a failure from being told";
}

TEST_F(WorkRules, WhatIsToldTogetherIsBoundedByBytesAndOneIsAlwaysTold) {
  work_rules rules(options_of(8), [] {});
  hear(rules, {1, 2, 3, 4});
  claimed_next(rules);
  const auto made = decide(rules, std::vector<result<claimed_revision>>(4, granting()));
  for (const auto size : {150'000, 100'000, 1'000'000, 1})
    rules.handler_ended(made.begin[static_cast<std::size_t>(size == 150'000   ? 0
                                                            : size == 100'000 ? 1
                                                            : size == 1       ? 3
                                                                              : 2)]
                            .number,
                        saying(std::string(static_cast<std::size_t>(size), '.')));
  std::vector<std::size_t> together;
  while (const auto next = rules.next_telling()) {
    together.push_back(next->numbers.size());
    for (const auto number : next->numbers) rules.forget(number);
    rules.telling_over(next->numbers);
  }
  EXPECT_THAT(together, ElementsAre(2, 1, 1));
}

TEST_F(WorkRules, AReasonIsATextThatEveryStoreTakesAndIsCut) {
  const auto taken = take({1, 2});
  rules_.handler_ended(taken[0], handler_failure{"\xff" + std::string(1, '\0') + std::string(20'000, '\xe9')});
  rules_.handler_ended(taken[1], handler_failure{""});
  const auto failures = rules_.next_telling()->failures;
  EXPECT_TRUE(is_valid_utf8(failures.at(0).reason));
  EXPECT_EQ(failures.at(0).reason.find('\0'), std::string::npos);
  EXPECT_LE(failures.at(0).reason.size(), reason_max_bytes);
  EXPECT_EQ(failures.at(1).reason, "no reason told");
}

TEST_F(WorkRules, WhatTheBrokerSaidNothingAboutIsToldAgain) {
  const auto taken = take({1, 2});
  rules_.handler_ended(taken[0], saying("x"));
  rules_.handler_ended(taken[1], saying("y"));
  tell_first(rules_);
  EXPECT_THAT(rules_.next_telling()->numbers, ElementsAre(taken[1]));
}

TEST_F(WorkRules, ARefusedAnswerIsToldAsAFailure) {
  const auto taken = take({1});
  rules_.handler_ended(taken[0], saying("x"));
  const auto told = rules_.next_telling();
  rules_.refused(taken[0], "no route");
  rules_.telling_over(told->numbers);
  EXPECT_EQ(rules_.next_telling()->failures.at(0).reason, "no route");
}

// ---- stopping ----

TEST_F(WorkRules, AfterAStopNothingIsClaimedAndWhatIsInHandCanBeGivenUp) {
  const auto taken = take({1, 2});
  hear({3});
  rules_.handler_ended(taken[0], saying("x"));
  rules_.stop();
  EXPECT_EQ(claimed_next(), "");
  EXPECT_THAT(rules_.give_up(), SizeIs(2));
  EXPECT_TRUE(rules_.empty_handed());
  EXPECT_FALSE(rules_.anything_untold());
  EXPECT_EQ(rules_.overdue(), 1U) << "one handler still runs";
}

// ---- what must hold ----

TEST_F(WorkRules, WhatCannotHaveHappenedIsADefect) {
  EXPECT_THROW(rules_.claim_over(), std::logic_error);
  EXPECT_THROW(rules_.claim_decided({}, now_), std::logic_error);
  EXPECT_THROW(rules_.handler_ended(1, saying("x")), std::logic_error);
  hear({1});
  claimed_next();
  EXPECT_THROW(rules_.claim_decided({}, now_), std::logic_error) << "a decision for each";
  EXPECT_THROW(work_rules(options_of(0), [] {}), std::logic_error);
}

/// Two services of one process, and whatever may happen to them in any order: nothing that must hold is ever broken,
/// and in the end all is told.
class AnyOrder : public testing::TestWithParam<unsigned> {
 protected:
  struct member {
    member(std::shared_ptr<company> with, std::size_t concurrency)
        : rules(options_of(concurrency, std::move(with)), [] {}) {}
    work_rules rules;
    std::vector<claim_request> asked{};
    std::vector<std::uint64_t> telling{};
    std::vector<std::uint64_t> running{};  ///< handlers
    std::set<std::uint64_t> heard{}, settled{};
    bool paused = false;
  };

  int below(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }

  void step(member& m) {
    switch (below(8)) {
      case 0:
        return hear(m);
      case 1:
        return claim(m);
      case 2:
        return decide(m);
      case 3:
        return end_one(m);
      case 4:
        return tell(m);
      case 5:
        return told(m);
      case 6:
        m.rules.end_overdue(now_);
        for (const auto& due : m.rules.leases_to_extend(now_)) m.rules.extended(due.number, now_ + seconds(60));
        return;
      default:
        now_ += seconds(below(60));
    }
  }

  void hear(member& m) {
    std::vector<work_rules::received> events;
    for (int i = below(5); i > 0; --i) {
      m.heard.insert(++tag_);
      events.push_back({tag_, {id_of(static_cast<int>(tag_ % 60'000)), 1, {}}});
    }
    m.rules.hear(std::move(events));
  }

  void claim(member& m) {
    auto asked = m.rules.next_claim();
    if (!asked) return;
    m.asked = std::move(*asked);
    for (const auto& one : m.asked)
      if (one.alone) {
        EXPECT_EQ(m.asked.size(), 1U);
        for (const auto* other : {&one_, &another_}) {
          EXPECT_TRUE(other->rules.empty_handed());
          EXPECT_TRUE(other == &m || other->asked.empty());
        }
      }
  }

  void decide(member& m) {
    if (m.asked.empty()) return;
    if (std::exchange(m.paused, false)) {
      m.asked.clear();
      return m.rules.claim_over();
    }
    if (below(4) == 0) {
      m.paused = true;
      return m.rules.claim_undecided();
    }
    std::vector<result<claimed_revision>> results;
    for (const auto& one : m.asked) results.push_back(verdict(m, one));
    m.asked.clear();
    const auto made = m.rules.claim_decided(std::move(results), now_);
    m.settled.insert(made.settled.begin(), made.settled.end());
    for (const auto& one : made.begin) m.running.push_back(one.number);
    m.rules.claim_over();
  }

  result<claimed_revision> verdict(const member& m, const claim_request& one) {
    const int chance = below(10);
    if (chance < 2 && !one.alone) return refusing(errc::needs_alone);
    if (chance < 3) return refusing(errc::held);
    if (chance < 5 && m.asked.size() > 1) return refusing(errc::needs_room);
    return granting(std::string(static_cast<std::size_t>(below(200'000)), '.'));
  }

  void end_one(member& m) {
    if (m.running.empty()) return;
    const auto which = m.running.begin() + below(static_cast<int>(m.running.size()));
    if (below(3) == 0)
      m.rules.handler_ended(*which, handler_failure{"no"});
    else
      m.rules.handler_ended(*which, saying(std::string(static_cast<std::size_t>(below(200'000)), '.')));
    m.running.erase(which);
  }

  void tell(member& m) {
    if (!m.telling.empty()) return;
    if (const auto next = m.rules.next_telling()) m.telling = next->numbers;
  }

  void told(member& m) {
    if (m.telling.empty()) return;
    const bool answers = m.rules.find(m.telling[0]) && m.rules.find(m.telling[0])->outcome->has_value();
    const auto numbers = std::exchange(m.telling, {});
    for (const auto number : numbers) {
      const int chance = below(4);
      if (chance == 0) continue;  // nothing was said about it
      if (chance == 1 && answers)
        m.rules.refused(number, "no");
      else
        m.rules.forget(number);
    }
    m.rules.telling_over(numbers);
  }

  void finish(member& m) {
    for (int i = 0; i < 10'000 && m.settled != m.heard; ++i) {
      for (auto* each : {&one_, &another_}) {
        claim(*each);
        decide(*each);
        end_one(*each);
        tell(*each);
        told(*each);
      }
    }
  }

  std::mt19937 random_{GetParam()};
  work_rules::time_point now_{};
  std::uint64_t tag_ = 0;
  std::shared_ptr<company> both_ = std::make_shared<company>();
  member one_{both_, 3}, another_{both_, 1};
};

TEST_P(AnyOrder, KeepsWhatMustHoldAndForgetsNothing) {
  for (int i = 0; i < 2'000; ++i) {
    step(below(2) == 0 ? one_ : another_);
    one_.rules.check();
    another_.rules.check();
  }
  finish(one_);
  finish(another_);
  EXPECT_EQ(one_.settled, one_.heard) << "each event is settled in the end";
  EXPECT_EQ(another_.settled, another_.heard);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnyOrder, testing::Range(1U, 41U));

}  // namespace
}  // namespace amc::service
