#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/support/raw_http.hpp"
#include "tests/support/shell.hpp"

/// `amc receive QUEUE --exec COMMAND`, with real commands against a real broker. Commands run in the test's folder.
namespace amc::tests {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

class ReceiveExec : public shell_test {
 protected:
  void start_receiving(const std::string& what, std::vector<std::string> more = {"--done"},
                       std::vector<std::string> sets = {}) {
    more.insert(more.begin(), {"receive", "orders", "--exec", what});
    receiving_ = std::make_unique<process>(command(more, std::move(sets)));
  }

  std::string post(const std::string& text, const std::string& queue = "orders") const {
    const boost::json::object body{{"message", text}};
    const auto got = ask("POST", "/queues/" + queue + "/messages", boost::json::serialize(body)).json();
    return std::string(got.at("id").as_string());
  }

  /// The text once it is done.
  std::string answer_to(const std::string& id) const {
    const auto now = ask("GET", "/messages/" + id, "", "Prefer: wait=60\r\n").json();
    return std::string(now.at("status").as_string()) + ": " + std::string(now.at("message").as_string());
  }

  /// Why it failed first, as soon as it has.
  std::string failure_of(const std::string& id) const {
    for (;;) {
      const auto now = show(id);
      if (const auto* attempts = now.if_contains("attempts"))
        return std::string(attempts->at(0).at("error").as_string());
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  std::string file(const std::string& name) const {
    std::ifstream stream(folder_.path / name);
    std::ostringstream all;
    all << stream.rdbuf();
    return all.str();
  }
  std::string wait_for_file(const std::string& name) const {
    while (!file(name).ends_with('\n')) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return file(name);
  }
  void write(const std::string& name) const { std::ofstream(folder_.path / name) << "x\n"; }

  /// Of the process group that a handler has told with `echo $$ > pid`.
  bool is_alive(const std::string& pid) const { return kill(-std::stoi(pid), 0) == 0 || errno != ESRCH; }

  /// Says that it runs, and goes on when it may.
  static constexpr const char* patient = "echo run >> runs; while [ ! -e go ]; do sleep 0.02; done; echo packed";

  std::unique_ptr<process> receiving_;
};

TEST_F(ReceiveExec, TextOnStdinAnswerOnStdoutTheRestInTheEnvironment) {
  start_broker();
  start_receiving("cat; echo \" $AMC_ID $AMC_REVISION $AMC_QUEUE $AMC_ATTEMPT$AMC_TRACEPARENT\"");
  const auto id = post("two\nboxes");
  EXPECT_EQ(answer_to(id), "done: two\nboxes " + id + " 1 orders 1");
}

TEST_F(ReceiveExec, AValueIsItsJsonAndBytesAreBytes) {
  start_broker();
  start_receiving("cat; echo \" $AMC_CONTENT_TYPE\"");
  const auto said = [&](const std::string& body) {
    return std::string(ask("POST", "/queues/orders/messages", body).json().at("id").as_string());
  };
  EXPECT_EQ(answer_to(said(R"({"message": {"a": [1.50]}})")), R"(done: {"a": [1.50]} application/json)");
  EXPECT_EQ(answer_to(said(R"({"message_base64": "aGk=", "content_type": "text/x"})")), "done: hi text/x");
}

TEST_F(ReceiveExec, AnswersGoWhereTheyAreSent) {
  start_broker();
  start_receiving("tr a-z A-Z", {"--to", "invoices"});
  const auto id = post("two boxes");
  const auto got = ask("POST", "/queues/invoices/receive", "", "Prefer: wait=20\r\n").json();
  EXPECT_EQ(got.at("deliveries").at(0).at("message"), "TWO BOXES");
}

TEST_F(ReceiveExec, AnotherExitCodeIsAFailureWithStderrAsItsReason) {
  start_broker();
  start_receiving("echo no paper >&2; exit 3");
  EXPECT_EQ(failure_of(post("x")), "exit code 3: no paper");
}

TEST_F(ReceiveExec, WhatIsNoAnswerIsAFailureThatSaysWhy) {
  start_broker({"broker.message_max_bytes=5000"});
  const std::pair<const char*, const char*> handlers[] = {
      {"head -c 5002 /dev/zero | tr '\\0' x", "wrote more than 5000 bytes (broker.message_max_bytes)"},
      {"printf 'a\\377'", "not UTF-8 at byte 1"},
      {"printf 'a\\0'", "U+0000"},
      {"kill -9 $$", "ended by signal 9"},
      {"./nothing-there", "exit code 127: "},
      {"head -c 3000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1", "xxxend"}};
  for (const auto& [handler, why] : handlers) {
    start_receiving(handler, {"--done"}, {"broker.message_max_bytes=5000"});
    EXPECT_THAT(failure_of(post("x")), HasSubstr(why));
  }
}

TEST_F(ReceiveExec, AnAnswerThatNoRouteMatchesIsAFailure) {
  start_broker();
  start_receiving("echo nothing matches this", {});
  EXPECT_THAT(failure_of(post("x")), StartsWith("its answer is refused: I don't know which queue"));
}

TEST_F(ReceiveExec, AHandlerNeedNotReadItsInput) {
  start_broker();
  start_receiving("exec <&-; echo ok");
  EXPECT_EQ(answer_to(post(std::string(500'000, 'x'))), "done: ok");
}

TEST_F(ReceiveExec, LargeTextsGoInAndOut) {
  start_broker();
  start_receiving("cat");
  const std::string text(900'000, 'x');
  EXPECT_EQ(answer_to(post(text)), "done: " + text);
}

TEST_F(ReceiveExec, WhatStaysInTheBackgroundIsNotWaitedFor) {
  start_broker();
  start_receiving("sleep 100 & echo ok; echo $$ > pid");
  EXPECT_EQ(answer_to(post("x")), "done: ok");
  kill(-std::stoi(wait_for_file("pid")), SIGKILL);
}

TEST_F(ReceiveExec, WhatTakesTooLongIsKilledWithAllThatItStarted) {
  start_broker();
  start_receiving("echo $$ > pid; sleep 100 & sleep 100", {"--timeout", "1"});
  EXPECT_THAT(failure_of(post("x")), StartsWith("its handler took longer than 1000 ms (--timeout"));
  const auto pid = wait_for_file("pid");
  while (is_alive(pid)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

TEST_F(ReceiveExec, LeasesAreExtendedWhileAHandlerRuns) {
  start_broker({"broker.queues=[{name: orders, lease_ms: 600}]"});
  start_receiving(patient);
  const auto id = post("x");
  wait_for_file("runs");
  for (int extended = 0; extended < 4; ++extended) {
    const auto due = show(id).at("due");
    while (show(id).at("due") == due) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  write("go");
  EXPECT_EQ(answer_to(id), "done: packed");
  EXPECT_EQ(file("runs"), "run\n");
}

TEST_F(ReceiveExec, SeveralAtOnce) {
  start_broker();
  start_receiving("echo $AMC_ID >> ids; while [ $(wc -l < ids) -lt 3 ]; do sleep 0.02; done",
                  {"--done", "--concurrency", "3"});
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(post("x"));
  for (const auto& id : ids) EXPECT_EQ(answer_to(id), "done: ");
}

TEST_F(ReceiveExec, ItOutlivesABrokerThatIsKilledInTheMiddle) {
  start_broker();
  start_receiving(patient);
  const auto id = post("x");
  wait_for_file("runs");
  kill_broker();
  write("go");
  receiving_->wait_for_error_text("waits for the broker");
  start_broker();
  EXPECT_EQ(answer_to(id), "done: packed");
  EXPECT_EQ(file("runs"), "run\n");
  EXPECT_EQ(answer_to(post("y")), "done: packed") << "it goes on";
}

TEST_F(ReceiveExec, ItWaitsForABrokerThatIsNotThereYet) {
  start_broker();
  kill_broker();
  start_receiving("cat");
  receiving_->wait_for_error_text("waits for the broker");
  start_broker();
  EXPECT_EQ(answer_to(post("x")), "done: x");
}

TEST_F(ReceiveExec, ItIsOneServiceByItsNameWhateverItsConcurrency) {
  start_broker();
  start_receiving("cat", {"--done", "--concurrency", "3"});
  answer_to(post("x"));
  const auto queues = ask("GET", "/queues").json().at("queues").as_array();
  const auto orders =
      std::find_if(queues.begin(), queues.end(), [](const auto& q) { return q.at("queue") == "orders"; });
  ASSERT_NE(orders, queues.end());
  ASSERT_EQ(orders->at("services").as_array().size(), 1U);
  EXPECT_EQ(orders->at("services").at(0).at("name"), "amc receive");
}

/// A proxy whose broker is away answers for it, and not always as it should.
TEST_F(ReceiveExec, WhatIsNoBrokerIsWaitedFor) {
  raw_listener proxy;
  port_ = proxy.port();
  start_receiving("cat");
  const std::string page = "<html>maintenance</html>";
  const auto answer = [&] {
    const auto link = proxy.accept();
    link->read_some();
    link->send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(page.size()) + "\r\n\r\n" +
               page);
  };
  answer();
  receiving_->wait_for_error_text("what answers there is no broker");
  answer();
  receiving_->signal(SIGTERM);
  EXPECT_EQ(receiving_->wait(), 0);
}

TEST_F(ReceiveExec, SigtermEndsWhatIsInHandAndTakesNothingMore) {
  start_broker();
  start_receiving(patient, {"--done", "--concurrency", "2"});
  const auto id = post("x");
  wait_for_file("runs");
  receiving_->signal(SIGTERM);
  receiving_->wait_for_error_text("stopping on SIGTERM");
  write("go");
  EXPECT_EQ(receiving_->wait(), 0);
  EXPECT_EQ(answer_to(id), "done: packed");
  const auto second = post("y");
  EXPECT_EQ(show(second).at("claim"), 0);
}

TEST_F(ReceiveExec, SigtermWithNothingInHandEndsAtOnce) {
  start_broker();
  start_receiving("cat");
  EXPECT_EQ(answer_to(post("x")), "done: x");
  receiving_->signal(SIGTERM);
  EXPECT_EQ(receiving_->wait(std::chrono::seconds(15)), 0) << "a parked request would take 20 s";
}

TEST_F(ReceiveExec, WhatIsNotDoneWhenDrainingTakesTooLongIsReleased) {
  start_broker();
  start_receiving("echo $$ > pid; sleep 100", {"--done"}, {"consumer_services.drain_timeout_ms=100"});
  const auto id = post("x");
  const auto pid = wait_for_file("pid");
  receiving_->signal(SIGTERM);
  EXPECT_EQ(receiving_->wait(), 0);
  while (is_alive(pid)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_THAT(receiving_->errors(), HasSubstr("consumer_services.drain_timeout_ms"));
  EXPECT_EQ(show(id).at("held"), false) << "somebody else may have it at once";
}

TEST_F(ReceiveExec, WhenItIsKilledItsHandlerIsToo) {
  start_broker();
  start_receiving("echo $$ > pid; exec sleep 100");
  post("x");
  const auto pid = wait_for_file("pid");
  receiving_->signal(SIGKILL);
  receiving_->wait();
  while (is_alive(pid)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

TEST_F(ReceiveExec, WaitingDoesNotMendARefusal) {
  start_broker({"broker.queues_closed=true"});
  start_receiving("cat");
  EXPECT_EQ(receiving_->wait(), 1);
  EXPECT_THAT(receiving_->errors(), HasSubstr("[error] [receive] No route and no entry of broker.queues names"));
  EXPECT_EQ(run({"receive", "orders"}), 2) << "there is no command";
}

}  // namespace
}  // namespace amc::tests
