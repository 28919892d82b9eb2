#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <csignal>
#include <fstream>
#include <sstream>

#include "tests/support/binary.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/source_folder.hpp"

namespace amc::tests {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

class CommandLine : public testing::Test {
 protected:
  /// Runs to the end; the exit code, with what was written in `out` and `err`.
  int run(std::vector<std::string> words, std::vector<std::string> sets = {}) {
    process once(amc_command(folder_.path, std::move(words), std::move(sets)));
    const int code = once.wait();
    out_ = once.output();
    err_ = once.errors();
    return code;
  }

  temporary_folder folder_;
  std::string out_, err_;
};

TEST_F(CommandLine, VersionPrintsTheVersion) {
  EXPECT_EQ(run({"version"}), 0);
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

TEST_F(CommandLine, WrongUsageIsExitCode2) {
  EXPECT_EQ(run({}), 2);
  EXPECT_EQ(run({"nonsense"}), 2);
  EXPECT_EQ(run({"version", "--nonsense"}), 2);
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
  EXPECT_EQ(run({"config"}, {"consumer_services.broker_client.url=http://me:secret@broker:4000"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("http://me:***@broker:4000"), testing::Not(HasSubstr("secret"))));
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

TEST_F(CommandLine, AServiceAloneOnTheEmbeddedQueueSaysWhatItNeeds) {
  for (const auto* service : {"service-a", "service-b"}) {
    EXPECT_EQ(run({service}), 2);
    EXPECT_THAT(err_, AllOf(HasSubstr("queue_system.platform"), HasSubstr("amc all")));
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
