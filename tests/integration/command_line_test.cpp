#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/support/binary_test.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/source_folder.hpp"

namespace amc::tests {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

class CommandLine : public binary_test {
 protected:
  int run(std::vector<std::string> words, std::vector<std::string> sets = {}) {
    process once(amc_command(folder_.path, std::move(words), std::move(sets)));
    return ended(once);
  }
};

TEST_F(CommandLine, VersionPrintsTheVersionAndWhatIsBuiltIn) {
  EXPECT_EQ(run({"version"}), 0);
  EXPECT_THAT(out_, MatchesRegex("amc [0-9]+\\.[0-9]+\\.[0-9]+\nstores: .*sqlite \\(SQLite [0-9.]+\\).*\n"
                                 "queue engines: embedded.*\nBoost [0-9.]+, OpenSSL [^\n]*\n"));
  EXPECT_EQ(run({"--version"}), 0);
  EXPECT_THAT(out_, MatchesRegex("amc [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(CommandLine, EverySubcommandHasHelpWithAnExample) {
  EXPECT_EQ(run({"--help"}), 0);
  for (const auto* name : {"broker", "service-a", "service-b", "all", "requester", "demo", "config", "version"}) {
    EXPECT_THAT(out_, HasSubstr(name));
  }
  for (const auto* name : {"broker", "service-a", "service-b", "all", "requester", "demo", "config", "version"}) {
    EXPECT_EQ(run({name, "--help"}), 0);
    EXPECT_THAT(out_, HasSubstr(std::string("Example:\n  amc ") + name)) << name;
  }
}

TEST_F(CommandLine, HelpTellsWhereTheRestIs) {
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("AMC__BROKER__HTTP__PORT"), HasSubstr("docs/"), HasSubstr("Exit codes: 0 "),
                          HasSubstr("2 wrong usage")));
}

TEST_F(CommandLine, WrongUsageIsExitCode2AndOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{}, "amc: "},
      {{"brokr"}, "amc: unknown subcommand \"brokr\"; the nearest is \"broker\""},
      {{"--config", "x", "al"}, "the nearest is \"all\""},
      {{"messages", "lst"}, "unknown subcommand \"lst\"; the nearest is \"list\", and amc messages --help"},
      {{"messages", "list", "--stats", "dead"}, "unknown option \"--stats\"; the nearest is \"--status\""},
      {{"bench", "--conversation=3"}, "the nearest is \"--conversations\""},
      {{"broker", "--st", "a=b"}, "the nearest is \"--set\""},
      {{"bench", "--rate", "many"}, "--rate"},
      {{"broker", "now"}, "not expected here: \"now\""},
      {{"broker", "\x1b[2J\nforged"}, "\"\\u001b[2J\\nforged\""},
      {{"broker", "--set", "broker.http.port", "=", "postgresql://amc:s3cret@db"}, "without spaces around the ="},
      {{"broker", "postgresql://amc:s3cret@db"}, "not expected here: \"postgresql://amc:***@db\""},
      {{"messages", "retry"}, "--all"},
      {{"messages", "show"}, "at least one id"},
      {{"messages", "show", "../queues"}, "\"../queues\" is not the id of a message"},
      {{"migrate", "plon"}, "\"plon\""},
      {{"post"}, "amc post: text is required; amc post --help lists all"},
      {{"queues", "purge", "e"}, "amc queues purge: --yes is required"},
      {{"post", "--deliver-at", "", "x"}, "--deliver-at"},
      {{"post", "--idempotency-key", "", "x"}, "is empty; leave it out"},
      {{"post", "--idempotency-key", "k\r\nPrefer: wait=2", "x"}, "printable ASCII"},
      {{"post", "--value", "{oops"}, "what was given is no JSON"},
      {{"messages", "list", "--queue", ""}, "is empty; leave it out"},
      {{"messages", "retry", "--queue", "q", "00000000-0000-7000-8000-000000000000"}, "and not both"},
      {{"receive", "a b", "--exec", "cat"}, "not \"a b\""},
      {{"receive", "a", "--to", "a/b", "--exec", "cat"}, "--to: "},
      {{"health", "--set", "consumer_services.broker_client.url=http://127.0.0.1:79536"}, "from 1 to 65535"}};
  for (const auto& [words, what] : wrong) {
    EXPECT_EQ(run(words), 2);
    EXPECT_THAT(err_, HasSubstr(what));
    EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1) << err_;
    EXPECT_EQ(out_, "");
  }
}

TEST_F(CommandLine, RoutesSaysWhereATextGoes) {
  const std::string routes = "broker.routes=[{match: '^order ', queue: orders}, {match: '^bye', done: true}]";
  EXPECT_EQ(run({"routes"}, {routes}), 0);
  EXPECT_EQ(out_,
            "route 1: ^order  -> queue orders\nroute 2: ^bye -> done\n"
            "The first that matches decides (broker.routes, from: --set).\n");
  EXPECT_EQ(run({"routes", "order 17"}, {routes}), 0);
  EXPECT_EQ(out_, "route 1: ^order  -> queue orders\n");
  EXPECT_EQ(run({"routes", "no\norder"}, {routes}), 1);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, StartsWith("amc routes: no route matches \"no\\norder\": "));
}

TEST_F(CommandLine, TheRoutesOfTheReadmeKeepTheExampleWorking) {
  std::ifstream stream(source_folder() / "README.md");
  std::ostringstream page;
  page << stream.rdbuf();
  const std::string begin = "# config/autoload/routes.global.yaml\n";
  const auto at = page.str().find(begin);
  ASSERT_NE(at, std::string::npos);
  std::filesystem::create_directories(folder_.path / "config/autoload");
  std::ofstream(folder_.path / "config/autoload/routes.global.yaml")
      << page.str().substr(at, page.str().find("```", at) - at);
  for (const auto& [text, to] :
       {std::pair("Hi, ", "topic-a"), {"Hi, Bram.", "topic-b"}, {"Hi, Bram. Bye!", "done"}, {"order 17", "orders"}}) {
    EXPECT_EQ(run({"routes", text}), 0) << err_;
    EXPECT_THAT(out_, HasSubstr(to));
  }
}

TEST_F(CommandLine, OutputThatNobodyTakesIsNoSuccess) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  for (const auto* word : {"config", "version", "--help", "--version"}) {
    auto how = amc_command(folder_.path, {word});
    how.output = ends[1];
    process head(how);
    EXPECT_EQ(head.wait(), 141) << word;
    EXPECT_EQ(head.errors(), "") << "a reader that has had enough is no error";
    how.output = open("/dev/full", O_WRONLY);
    process full(how);
    EXPECT_EQ(full.wait(), 1) << word;
    EXPECT_THAT(full.errors(), HasSubstr("cannot write to stdout: No space left on device"));
    close(how.output);
  }
  close(ends[1]);
  process closed({.arguments = {"/bin/sh", "-c", std::string("exec ") + AMC_BINARY + " version >&-"}});
  EXPECT_EQ(closed.wait(), 1);
}

TEST_F(CommandLine, ASecretDoesNotStayOnTheCommandLine) {
  process all(amc_all(folder_.path, {"queue_system.rabbitmq.url=amqp://amc:s3cret@mq"}));
  port_of(all);
  std::ifstream stream("/proc/" + std::to_string(all.id()) + "/cmdline");
  std::ostringstream words;
  words << stream.rdbuf();
  EXPECT_THAT(words.str(), AllOf(HasSubstr("queue_system.rabbitmq.url="), testing::Not(HasSubstr("s3cret"))));
}

TEST_F(CommandLine, DemoShowsTheJourney) {
  EXPECT_EQ(run({"demo"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("topic-a"), HasSubstr("ServiceA"), HasSubstr("topic-b"), HasSubstr("ServiceB"),
                          HasSubstr("stored as done"), HasSubstr(". Bye!")));
  EXPECT_FALSE(std::filesystem::exists(folder_.path / "var")) << "it leaves nothing behind";
}

TEST_F(CommandLine, ConfigTellsWhereEachValueCameFrom) {
  std::filesystem::create_directories(folder_.path / "config/autoload");
  std::ofstream(folder_.path / "config/autoload/a.local.yaml") << "broker:\n  lease_ms: 5000\n";
  EXPECT_EQ(run({"config"}, {"broker.http.port=4001"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("broker.lease_ms: 5000  # config/autoload/a.local.yaml:2"),
                          HasSubstr("broker.http.port: 4001  # --set"),
                          HasSubstr("broker.http.address: \"127.0.0.1\"  # default")));
}

TEST_F(CommandLine, ConfigMasksSecrets) {
  EXPECT_EQ(run({"config"}, {"queue_system.rabbitmq.url=amqp://me:s3cret@mq",
                             "broker.store.postgresql.url=host=db password = s3cret"}),
            0);
  EXPECT_THAT(
      out_, AllOf(HasSubstr("amqp://me:***@mq"), HasSubstr("host=db password=***"), testing::Not(HasSubstr("s3cret"))));
}

TEST_F(CommandLine, ConfigSaysWhatAStartWouldSay) {
  const std::vector<std::vector<std::string>> wrong{
      {"broker.routes=[{match: '(', queue: q}]"},
      {"broker.http.address=localhost"},
      {"broker.http.hosts=[a/b]"},
      {"broker.http.trusted_proxies=[nowhere]"},
      {"consumer_services.http.address=x"},
      {"consumer_services.receive_via=pigeon"},
      {"consumer_services.broker_client.url=ftp://x"},
      {"telemetry.otlp.url=ftp://x"},
      {"telemetry.otlp.sample_ratio=2"},
      {"consumer_services.name_provider.names=[]"},
      {"consumer_services.requester.answer_pattern=("},
      {"broker.store.postgresql.url=postgresql://db/amc?sslmode=requird", "broker.store.engine=postgresql"},
      {"queue_system.rabbitmq.url=http://x", "queue_system.platform=rabbitmq"}};
  for (const auto& sets : wrong) {
    EXPECT_EQ(run({"config"}, sets), 2) << sets[0];
    const auto told = err_.substr(std::string("amc config").size());
    EXPECT_THAT(told, AllOf(StartsWith(": "), HasSubstr(sets[0].substr(0, sets[0].find('='))), EndsWith("\n")));
    EXPECT_EQ(run({"all"}, sets), 2) << sets[0];
    EXPECT_EQ(err_, "amc all" + told);
  }
}

TEST_F(CommandLine, AFileThatIsNotReadIsTold) {
  std::filesystem::create_directories(folder_.path / "config/autoload");
  std::ofstream(folder_.path / "config/autoload/a.yaml") << "broker:\n  lease_ms: 5000\n";
  EXPECT_EQ(run({"config"}), 0);
  EXPECT_THAT(err_, AllOf(HasSubstr("[warning] [config]"),
                          HasSubstr("config/autoload/a.yaml is not read; call it a.global.yaml")));
}

TEST_F(CommandLine, TheReferencePageIsNotStale) {
  EXPECT_EQ(run({"config-reference"}), 0);
  std::ifstream page(source_folder() / "docs/configuration.md");
  std::ostringstream written;
  written << page.rdbuf();
  EXPECT_EQ(written.str(), out_) << "run: build/release/amc config-reference > docs/configuration.md";
}

TEST_F(CommandLine, RequesterPrintsOnlyTheAnswer) {
  process all(amc_all(folder_.path));
  const auto url = "http://127.0.0.1:" + std::to_string(port_of(all));
  EXPECT_EQ(run({"requester"}, {"consumer_services.broker_client.url=" + url}), 0) << err_;
  EXPECT_THAT(out_, MatchesRegex("Hi, [A-Za-z]+\\. Bye!\n"));
  EXPECT_EQ(err_, "");
}

TEST_F(CommandLine, RequesterTellsWhyThereIsNoAnswer) {
  EXPECT_EQ(run({"requester"}, {"consumer_services.broker_client.url=http://127.0.0.1:1",
                                "consumer_services.requester.timeout_ms=300"}),
            1);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, AllOf(StartsWith("amc requester: no response: http://127.0.0.1:1: "), EndsWith("\n")));
}

TEST_F(CommandLine, WithoutABrokerItSaysWhatWhereAndWhatToDo) {
  for (const auto& words : {std::vector<std::string>{"messages", "list"}, {"health"}}) {
    EXPECT_EQ(run(words, {"consumer_services.broker_client.url=http://127.0.0.1:1"}), 1);
    EXPECT_THAT(err_, AllOf(HasSubstr("no answer from the broker: http://127.0.0.1:1: Connection refused"),
                            HasSubstr("consumer_services.broker_client.url")));
  }
}

TEST_F(CommandLine, WhatIsNoBrokerIsSaidToBeNone) {
  const std::string id = "00000000-0000-7000-8000-000000000000";
  for (const std::string page : {"{}", "null", "<html>maintenance</html>"}) {
    raw_listener other;
    std::thread answering([&] {
      for (;;) {
        auto link = other.accept();
        if (link->read_some().empty()) return;
        link->send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(page.size()) +
                   "\r\n\r\n" + page);
      }
    });
    const auto url = "consumer_services.broker_client.url=http://127.0.0.1:" + std::to_string(other.port());
    for (const auto& words : std::vector<std::vector<std::string>>{{"health"},
                                                                   {"post", "--queue", "q", "x"},
                                                                   {"post", "--wait", "1", "x"},
                                                                   {"messages", "list"},
                                                                   {"messages", "show", id},
                                                                   {"messages", "cancel", id},
                                                                   {"messages", "explain", id},
                                                                   {"messages", "history", id},
                                                                   {"messages", "retry", "--all"},
                                                                   {"queues"},
                                                                   {"queues", "pause", "q"},
                                                                   {"top", "--once"}}) {
      EXPECT_EQ(run(words, {url}), 1) << page << " " << words.front();
      EXPECT_THAT(err_, AllOf(HasSubstr("no broker"), HasSubstr("consumer_services.broker_client.url")));
      EXPECT_EQ(out_, "");
    }
    raw_connection last(other.port());
    last.finish_sending();
    answering.join();
  }
}

TEST_F(CommandLine, MessagesAreListedShownAndCancelled) {
  process broker(amc_command(folder_.path, {"broker"}, {"broker.http.port=0"}));
  const auto port = port_of(broker);
  const auto url = "consumer_services.broker_client.url=http://127.0.0.1:" + std::to_string(port);
  std::string id;
  for (int i = 0; i < 130; ++i)
    id = boost::json::value_to<std::string>(
        ask(port, "POST", "/messages", R"({"message":"Hi, \u001b[2J\u009b."})").json().at("id"));
  EXPECT_EQ(run({"messages", "list", "--limit", "120"}, {url}), 0) << err_;
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 120) << "more than one page";
  EXPECT_THAT(out_, AllOf(HasSubstr("\\u001b"), HasSubstr("\\u009b"), testing::Not(HasSubstr("\x1b")),
                          testing::Not(HasSubstr("\xc2\x9b"))));
  EXPECT_EQ(run({"messages", "show", id}, {url}), 0) << err_;
  EXPECT_EQ(boost::json::parse(out_).at("message"), "Hi, \x1b[2J\xc2\x9b.");
  EXPECT_THAT(out_, testing::Not(HasSubstr("\xc2\x9b")));
  EXPECT_EQ(run({"messages", "cancel", id}, {url}), 0) << err_;
  const std::string unknown = "00000000-0000-7000-8000-000000000000";
  EXPECT_EQ(run({"messages", "show", unknown, id}, {url}), 1);
  EXPECT_THAT(err_, AllOf(StartsWith("amc messages show: " + unknown + ": "), EndsWith(" (404)\n")));
  EXPECT_THAT(out_, HasSubstr(id)) << "the others are shown";
  EXPECT_EQ(run({"messages", "list", "--status", "bogus"}, {url}), 1);
  EXPECT_THAT(err_, AllOf(StartsWith("amc messages list: "), EndsWith(" (422)\n")));
  EXPECT_EQ(run({"messages", "retry", "--all"}, {url}), 0) << err_;
}

TEST_F(CommandLine, AServiceAloneOnTheEmbeddedQueueSaysWhatItNeeds) {
  for (const auto* service : {"service-a", "service-b"}) {
    EXPECT_EQ(run({service, "--set", "consumer_services.receive_via=engine"}), 2);
    EXPECT_THAT(err_, AllOf(HasSubstr("consumer_services.receive_via"), HasSubstr("amc all")));
  }
}

TEST_F(CommandLine, LogsCanBeJsonLines) {
  process all(amc_all(folder_.path, {"log.format=json", "log.level=debug"}));
  const auto address = all.wait_for_error_text("listening on http://");
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  ask(port, "POST", "/", R"({"message":"Hi, "})");
  all.wait_for_error_text("stored as done");
  all.signal(SIGTERM);
  EXPECT_EQ(all.wait(), 0);
  std::istringstream lines(all.errors());
  int about_messages = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto parsed = boost::json::parse(line).as_object();
    EXPECT_TRUE(parsed.contains("time") && parsed.contains("level") && parsed.contains("component"));
    about_messages += parsed.contains("id") && parsed.contains("revision");
  }
  EXPECT_GE(about_messages, 5);
}

TEST_F(CommandLine, BenchChecksEachAnswerAndReports) {
  process all(amc_all(folder_.path));
  const auto url = "consumer_services.broker_client.url=http://127.0.0.1:" + std::to_string(port_of(all));
  EXPECT_EQ(run({"bench", "--conversations", "40", "--concurrency", "8", "--warm-up", "5", "--json"}, {url}), 0)
      << err_;
  const auto told = boost::json::parse(out_).as_object();
  std::vector<std::string> names;
  for (const auto& member : told) names.emplace_back(member.key());
  EXPECT_THAT(names, testing::ElementsAre("conversations", "failed", "wrong", "elapsed_s", "conversations_per_s",
                                          "latency_ms"));
  EXPECT_EQ(told.at("conversations").to_number<int>(), 40);
  EXPECT_EQ(told.at("failed").to_number<int>(), 0);
  EXPECT_EQ(run({"bench", "--conversations", "20", "--rate", "200"}, {url}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("failed 0, wrong 0"));
}

TEST_F(CommandLine, BenchFailsOnAWrongAnswer) {
  process all(amc_all(folder_.path));
  const auto url = "consumer_services.broker_client.url=http://127.0.0.1:" + std::to_string(port_of(all));
  EXPECT_EQ(
      run({"bench", "--conversations", "3"}, {url, "consumer_services.requester.answer_pattern=^Nobody says this$"}),
      1);
  EXPECT_THAT(out_, HasSubstr("failed 0, wrong 3"));
}

}  // namespace
}  // namespace amc::tests
