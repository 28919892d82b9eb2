#include "broker/router.hpp"

#include <gmock/gmock.h>

#include "app/processes.hpp"

namespace amc::broker {
namespace {

using testing::HasSubstr;

config settings_with(const std::string& routes) {
  config_sources sources{.folder = "/nowhere"};
  if (!routes.empty()) sources.sets.push_back("broker.routes=" + routes);
  return load_config(app::providers(), sources);
}

std::string destination(const std::string& text, const std::string& routes = "") {
  const auto to = router(settings_with(routes)).route(text);
  if (!to) return "nowhere";
  const auto* queue = std::get_if<life_cycle::to_queue>(&*to);
  return queue ? queue->name : "done";
}

std::string complaint(const std::string& routes) {
  try {
    router{settings_with(routes)};
  } catch (const config_error& failed) {
    return failed.what();
  }
  return "no complaint";
}

TEST(Router, KnowsTheConversationOfTheSeed) {
  EXPECT_EQ(destination("Hi, "), "topic-a");
  EXPECT_EQ(destination("Hi, Bram."), "topic-b");
  EXPECT_EQ(destination("Hi, Bram. Bye!"), "done");
  EXPECT_EQ(destination("Good morning"), "nowhere");
  EXPECT_EQ(destination(""), "nowhere");
}

TEST(Router, LooksAtTheTextWithoutTheSpaceAroundIt) {
  EXPECT_EQ(destination(" \n\tHi,\r\n "), "topic-a");
}

TEST(Router, TheFirstRouteThatMatchesWins) {
  EXPECT_EQ(destination("ab", "[{match: a, queue: first}, {match: b, queue: second}]"), "first");
}

// ---- fields of JSON values ----

std::string destination_of_value(const std::string& json, const std::string& routes) {
  const auto to = router(settings_with(routes)).route(json, content_form::json);
  return to ? std::get<life_cycle::to_queue>(*to).name : "nowhere";
}

constexpr const char* by_level = "[{field: /customer/level, match: '^gold$', queue: vip}, {match: '.', queue: rest}]";

TEST(Router, ARouteMayLookAtAFieldOfAValue) {
  EXPECT_EQ(destination_of_value(R"({"customer": {"level": "gold"}})", by_level), "vip");
  EXPECT_EQ(destination_of_value(R"({"customer": {"level": "golden"}})", by_level), "rest");
  EXPECT_EQ(destination_of_value(R"({"note": "^gold$", "level": "gold"})", by_level), "rest") << "no such field";
}

TEST(Router, AFieldThatIsNoTextIsMatchedAsItsJson) {
  EXPECT_EQ(destination_of_value(R"({"n": [1, true]})", "[{field: /n, match: '^\\[1,true\\]$', queue: q}]"), "q");
  EXPECT_EQ(destination_of_value(R"([null])", "[{field: /0, match: '^null$', queue: q}]"), "q");
  EXPECT_EQ(destination_of_value("7", "[{field: '', match: '^7$', queue: q}]"), "q");
  EXPECT_EQ(destination_of_value(R"({"a/b": "x"})", "[{field: /a~1b, match: x, queue: q}]"), "q");
}

TEST(Router, ATextHasNoFields) {
  EXPECT_EQ(destination(R"({"customer": {"level": "gold"}})", by_level), "rest");
}

TEST(Router, AFieldThatIsNoneIsRefused) {
  EXPECT_THAT(complaint("[{field: customer, match: x, queue: q}]"), HasSubstr("route 1: \"customer\" is no field"));
  EXPECT_THAT(complaint("[{field: /a~2, match: x, queue: q}]"), HasSubstr("RFC 6901"));
}

TEST(Router, NamesEachQueueOnce) {
  const router routes(settings_with("[{match: a, queue: q}, {match: b, queue: r}, {match: c, queue: q}]"));
  EXPECT_THAT(routes.queues(), testing::ElementsAre("q", "r"));
}

TEST(Router, ReloadsWholeOrNotAtAll) {
  router routes(settings_with("[{match: a, queue: q}]"));
  EXPECT_THROW(routes.reload(settings_with("[{match: b, queue: r}, {match: '(', queue: q}]")), config_error);
  EXPECT_THAT(routes.queues(), testing::ElementsAre("q"));
  routes.reload(settings_with("[{match: b, queue: r, lease_ms: 7000}]"));
  EXPECT_FALSE(routes.matching("a"));
  EXPECT_EQ(routes.of("r").rules.lease, milliseconds(7'000));
  EXPECT_THAT(routes.overrides_of("r"), testing::ElementsAre(testing::Pair("lease_ms", 7'000)));
  EXPECT_THAT(routes.overrides_of("q"), testing::IsEmpty());
}

TEST(Router, APatternThatExplodesElsewhereIsLinearHere) {
  const std::string many(100'000, 'a');
  EXPECT_EQ(destination(many + "!", "[{match: '^(a+)+$', queue: q}]"), "nowhere");
  EXPECT_EQ(destination(std::string(100'000, 'a'), "[{match: '^(a|b)*$', queue: q}]"), "q");
}

TEST(Router, ABadPatternIsNamed) {
  EXPECT_THAT(complaint("[{match: 'ok', done: true}, {match: '(', queue: q}]"),
              testing::AllOf(HasSubstr("route 2"), HasSubstr("\"(\" is not a regular expression")));
}

TEST(Router, AQueueIsTreatedInOneWay) {
  EXPECT_EQ(complaint("[{match: a, queue: q, max_claims: 7}, {match: b, queue: q, max_claims: 7}]"), "no complaint");
  EXPECT_THAT(complaint("[{match: a, queue: q, max_claims: 7}, {match: b, queue: q}]"),
              testing::AllOf(HasSubstr("route 2"), HasSubstr("queue \"q\" is treated otherwise")));
}

TEST(Router, ARouteNeedsAPatternAndOneDestination) {
  EXPECT_THAT(complaint("[{queue: q}]"), HasSubstr("no \"match\""));
  EXPECT_THAT(complaint("[{match: a}]"), HasSubstr("either"));
  EXPECT_THAT(complaint("[{match: a, queue: q, done: true}]"), HasSubstr("either"));
  EXPECT_THAT(complaint("[{match: a, queue: ''}]"), HasSubstr("1 to 200"));
  EXPECT_THAT(complaint("[{match: a, queue: q}, {match: b, queue: r, from: ['no such queue!']}]"),
              HasSubstr("route 2: \"from\" has \"no such queue!\""));
  EXPECT_EQ(complaint("[{match: a, queue: 'an old name!'}, {match: b, queue: r, from: ['an old name!', other]}]"),
            "no complaint");
}

TEST(Router, RefusesAnEntryOfQueuesThatCannotBe) {
  for (const auto* wrong : {"[{lease_ms: 50}]", "[{name: 'a b'}]", "[{name: ''}]", "[{name: topic-a, lease_ms: 70}]",
                            "[{name: a, lease_ms: 70}, {name: a, lease_ms: 80}]"}) {
    config_sources sources{.folder = "/nowhere", .sets = {std::string("broker.queues=") + wrong}};
    const auto settings = load_config(app::providers(), sources);
    EXPECT_THROW(router{settings}, config_error) << wrong;
  }
}

}  // namespace
}  // namespace amc::broker
