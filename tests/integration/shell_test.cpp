#include "tests/support/shell.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <csignal>
#include <thread>

/// What people type to send a message and to see what waits: the real binary against a real broker.
namespace amc::tests {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

class Shell : public shell_test {};

TEST_F(Shell, PostPrintsTheId) {
  start_broker();
  ASSERT_EQ(run({"post", "--queue", "orders", "--expires-at", "2999-01-01T00:00:00Z", "two boxes"}), 0) << err_;
  EXPECT_THAT(out_, MatchesRegex("[0-9a-f-]+\n"));
  const auto now = show(out_.substr(0, 36));
  EXPECT_EQ(now.at("message"), "two boxes");
  EXPECT_EQ(now.at("queue"), "orders");
  EXPECT_EQ(now.at("expires_at"), "2999-01-01T00:00:00.000Z");
}

TEST_F(Shell, HistoryIsATimelineOfWhatBecameOfAMessage) {
  start_broker();
  ASSERT_EQ(run({"post", "--queue", "orders", "two boxes"}), 0) << err_;
  const auto id = out_.substr(0, 36);
  const auto got = ask("POST", "/queues/orders/receive", R"({"service":"pack","worker":"w"})").json();
  auto outcome = got.at("deliveries").at(0).as_object();
  const auto claim = std::to_string(outcome.at("claim").as_int64());
  ask("POST", "/failures",
      R"([{"id":")" + id + R"(","revision":1,"claim":)" + claim + R"(,"error":"no\u001b[2J tape","final":true}])");
  ASSERT_EQ(run({"messages", "history", id}), 0) << err_;
  EXPECT_THAT(out_, AllOf(StartsWith(id + "  dead at revision 1\n"), HasSubstr("  posted\n"),
                          HasSubstr(" s  revision 1  dead in orders, by pack/w: no"), Not(HasSubstr("\x1b"))));
}

TEST_F(Shell, HistoryTellsWhatAnAnswerHasChangedUntilThatIsErased) {
  start_broker();
  const auto id = std::string(ask("POST", "/queues/orders/messages", R"({"message":{"total":19.90,"boxes":[1,2]}})")
                                  .json()
                                  .at("id")
                                  .as_string());
  const auto got = ask("POST", "/queues/orders/receive", R"({"service":"pack"})").json();
  const auto claim = std::to_string(got.at("deliveries").at(0).at("claim").as_int64());
  ask("POST", "/answers",
      R"([{"id":")" + id + R"(","revision":1,"claim":)" + claim +
          R"(,"message":{"total":19.90,"boxes":[1,3]},"done":true}])");
  ASSERT_EQ(run({"messages", "history", "--diff", id}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr(" + {\n"), HasSubstr("answered in orders, by pack  [claim " + claim + ", waited "),
                          HasSubstr("     \"total\": 19.90,\n"), HasSubstr(" -     2\n"), HasSubstr(" +     3\n")));
  ASSERT_EQ(run({"messages", "erase", id}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("\"erased_at\""));
  ASSERT_EQ(run({"messages", "history", "--diff", id}), 0) << err_;
  EXPECT_THAT(out_,
              AllOf(HasSubstr("(what revision 1 said is gone)"), HasSubstr("  erased\n"), Not(HasSubstr("total"))));
  EXPECT_EQ(run({"messages", "retry", id}), 1);
}

TEST_F(Shell, ExplainSaysInOneSentenceWhyAMessageIsWhereItIs) {
  start_broker();
  ASSERT_EQ(run({"post", "--queue", "orders", "two boxes"}), 0) << err_;
  const auto id = out_.substr(0, 36);
  ASSERT_EQ(run({"messages", "explain", id}), 0) << err_;
  EXPECT_THAT(out_, AllOf(StartsWith(id + "  nobody has received from orders"), EndsWith("\n")));
  ASSERT_EQ(run({"messages", "explain", "--json", id}), 0) << err_;
  EXPECT_EQ(boost::json::parse(out_).at("reason"), "nobody_receives");
}

TEST_F(Shell, WhatFollowsASettingIsNoSetting) {
  start_broker();
  ASSERT_EQ(run({"post", "--queue", "orders", "--set", "log.level=info", "two boxes"}), 0) << err_;
  const auto id = out_.substr(0, 36);
  ASSERT_EQ(run({"messages", "explain", "--set", "log.level=info", "--set", "log.level=error", id}), 0) << err_;
  EXPECT_THAT(out_, StartsWith(id));
}

TEST_F(Shell, PostTakesTheTextFromStdinAsItIs) {
  start_broker();
  auto how = command({"post", "--done", "--json", "-"});
  std::string line = "printf 'a\\n b\\n' | exec";
  for (const auto& word : how.arguments) line += " '" + word + "'";
  how.arguments = {"/bin/sh", "-c", line};
  process post(how);
  ASSERT_EQ(ended(post), 0) << err_;
  EXPECT_EQ(boost::json::parse(out_).at("message"), "a\n b\n");
  EXPECT_EQ(boost::json::parse(out_).at("status"), "done");
}

TEST_F(Shell, PostThatWaitsPrintsTheAnswer) {
  start_broker();
  process post(command({"post", "--queue", "orders", "--wait", "20", "two boxes"}));
  answer_one("orders", "packed");
  EXPECT_EQ(ended(post), 0) << err_;
  EXPECT_EQ(out_, "packed\n");
  EXPECT_EQ(err_, "");
}

TEST_F(Shell, PostThatWaitsTellsWhatIsNotFinished) {
  start_broker();
  EXPECT_EQ(run({"post", "--queue", "orders", "--wait", "0", "two boxes"}), 3);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, AllOf(StartsWith("amc post: "), HasSubstr("is not finished within 0 s; amc messages show ")));
}

TEST_F(Shell, PostThatWaitsTellsHowItEnded) {
  start_broker();
  process post(command({"post", "--queue", "orders", "--wait", "20", "--idempotency-key", "k", "two boxes"}));
  const auto got = ask("POST", "/queues/orders/receive", "", "Prefer: wait=20\r\n").json();
  ask("DELETE", "/messages/" + std::string(got.at("deliveries").at(0).at("id").as_string()));
  EXPECT_EQ(ended(post), 1);
  EXPECT_THAT(err_, EndsWith(" is cancelled\n"));
}

TEST_F(Shell, TheSameKeyIsTheSameMessage) {
  start_broker();
  ASSERT_EQ(run({"post", "--queue", "orders", "--idempotency-key", "k", "x"}), 0) << err_;
  const auto first = out_;
  ASSERT_EQ(run({"post", "--queue", "orders", "--idempotency-key", "k", "x"}), 0) << err_;
  EXPECT_EQ(out_, first);
}

TEST_F(Shell, PostOutlivesTheBroker) {
  start_broker();
  process post(command({"post", "--queue", "orders", "--wait", "60", "two boxes"}));
  while (ask("GET", "/messages?queue=orders").json().at("messages").as_array().empty()) std::this_thread::yield();
  kill_broker();
  start_broker();
  answer_one("orders", "packed");
  EXPECT_EQ(ended(post), 0) << err_;
  EXPECT_EQ(out_, "packed\n");
  EXPECT_EQ(ask("GET", "/messages").json().at("messages").as_array().size(), 1U) << "posted once";
}

TEST_F(Shell, WhatIsRefusedIsExitCode1WithTheBrokersWords) {
  start_broker();
  EXPECT_EQ(run({"post", "--queue", "no queue", "x"}), 1);
  EXPECT_THAT(err_, AllOf(StartsWith("amc post: A queue's name has"), EndsWith(" (422)\n")));
  EXPECT_EQ(run({"post", "nothing matches this"}), 1);
  EXPECT_THAT(err_, HasSubstr("which queue this message belongs to"));
  EXPECT_EQ(run({"post", "--wait", "soon", "x"}), 2);
  EXPECT_EQ(run({"post", "\xff"}), 2);
  EXPECT_THAT(err_, HasSubstr("not UTF-8 at byte 0"));
  EXPECT_EQ(run({"post", "--done", "--queue", "q", "x"}), 2);
}

TEST_F(Shell, QueuesAreATable) {
  start_broker();
  ASSERT_EQ(run({"post", "--queue", "orders", "x"}), 0) << err_;
  ASSERT_EQ(run({"queues"}), 0) << err_;
  EXPECT_THAT(out_,
              MatchesRegex("QUEUE    PENDING  DUE  HELD  DEAD +OLDEST +IN/S +OUT/S +FAILED/S +SERVICES +IN ENGINE\n"
                           "orders         1    1     0     0 +[0-9]+ m?s +[01]\\.[0-9] +0\\.0 +0\\.0 +0 +0\n(.*\n)*"));
  ASSERT_EQ(run({"queues", "--json"}), 0) << err_;
  const auto first = boost::json::parse(out_.substr(0, out_.find('\n')));
  EXPECT_EQ(first.at("queue"), "orders");
  EXPECT_EQ(first.at("pending"), 1);
}

TEST_F(Shell, TopShowsWhereMostWaitsFirst) {
  start_broker();
  for (const auto* queue : {"a", "b", "b"}) ASSERT_EQ(run({"post", "--queue", queue, "x"}), 0) << err_;
  ASSERT_EQ(run({"top", "--once"}), 0) << err_;
  EXPECT_THAT(out_,
              MatchesRegex("http://127.0.0.1:[0-9]+  [^ ]+Z  3 pending, 0 dead\n\nQUEUE .*\nb  (.*\n)*a  (.*\n)*"));
  EXPECT_THAT(out_, Not(HasSubstr("\x1b")));
}

TEST_F(Shell, RoutesTellHowAQueueIsTreatedOtherwise) {
  const std::string routes = "broker.routes=[{match: '^order ', queue: orders, lease_ms: 7000, max_claims: 3}]";
  process once(amc_command(folder_.path, {"routes", "order 17"}, {routes}));
  EXPECT_EQ(ended(once), 0) << err_;
  EXPECT_EQ(out_, "route 1: ^order  -> queue orders\nqueue orders: lease_ms 7000, max_claims 3\n");
}

}  // namespace
}  // namespace amc::tests
