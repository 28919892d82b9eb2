#include "core/log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "tests/support/temporary_folder.hpp"

namespace amc {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;

/// What is written to stderr meanwhile.
class Log : public testing::Test {
 protected:
  ~Log() override { configure({}); }

  static void configure(std::vector<std::string> sets) {
    log::configure(load_config({log::provider()}, {.folder = "/nowhere", .sets = std::move(sets)}));
  }

  std::string written(const std::function<void()>& work) const {
    log::flush();
    const int before = dup(STDERR_FILENO);
    const int file = open((folder_.path / "log").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(file, STDERR_FILENO);
    work();
    log::flush();
    dup2(before, STDERR_FILENO);
    close(before);
    close(file);
    std::ifstream stream(folder_.path / "log");
    std::ostringstream all;
    all << stream.rdbuf();
    return all.str();
  }

  static constexpr const char* hostile =
      "a\nforged\r\x1b[2J\xc2\x9b"
      "31m\xe2\x80\xa8\xe2\x80\xae \xff é \"q\" \\";
  tests::temporary_folder folder_;
};

TEST_F(Log, ATextLineHasTimeLevelComponentAndMessage) {
  const log::about subject{parse_uuid("019ab2c4-5c0e-7000-b1e3-2f5d1c2a9b70").value(), 3};
  EXPECT_THAT(
      written([&] { log::warning("broker", "careful", subject); }),
      MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z \\[warning\\] \\[broker\\] "
                   "careful id=019ab2c4-5c0e-7000-b1e3-2f5d1c2a9b70 revision=3\n"));
}

TEST_F(Log, LinesBelowTheLevelAreNotWritten) {
  configure({"log.level=error"});
  EXPECT_THAT(written([] {
                log::debug("x", "no");
                log::info("x", "no");
                log::warning("x", "no");
                log::error("x", "yes");
                log::critical("x", "yes");
              }),
              MatchesRegex("[^\n]*\\[error\\][^\n]*yes\n[^\n]*\\[critical\\][^\n]*yes\n"));
}

TEST_F(Log, ALineIsOneLineThatSteersNoTerminal) {
  const auto line = written([] { log::info("x", hostile); });
  EXPECT_THAT(line, EndsWith("a\\nforged\\r\\u001b[2J\\u009b31m\\u2028\\u202e \\xff é \"q\" \\\n"));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST_F(Log, AJsonLineIsJsonInUtf8WhateverTheText) {
  configure({"log.format=json"});
  const auto line = written([] { log::info("x", hostile); });
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_THAT(line, testing::Not(HasSubstr("\xc2\x9b")));
  const auto fields = boost::json::parse(line).as_object();
  EXPECT_EQ(fields.at("level"), "info");
  EXPECT_EQ(fields.at("message").as_string(),
            "a\nforged\r\x1b[2J\xc2\x9b"
            "31m\xe2\x80\xa8\xe2\x80\xae \xef\xbf\xbd é \"q\" \\");
}

TEST_F(Log, LastWordsAreOneLineToo) {
  EXPECT_EQ(written([] { log::last_words("amc x", "a\nb"); }), "amc x: a\\nb\n");
  configure({"log.format=json", "log.level=critical"});
  const auto fields = boost::json::parse(written([] { log::last_words("amc x", "a\nb"); })).as_object();
  EXPECT_EQ(fields.at("component"), "amc x");
  EXPECT_EQ(fields.at("message"), "a\nb");
}

TEST(LogDeathTest, WhatWaitsIsWrittenWhenTheProcessCrashes) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto crash = [] {
    log::flush_when_crashing();
    for (int i = 0; i < 1'000; ++i) log::info("x", "line " + std::to_string(i));
    std::abort();
  };
  EXPECT_EXIT(crash(), testing::KilledBySignal(SIGABRT), "line 999\n");
}

TEST_F(Log, ALongTextIsCut) {
  configure({"log.line_max_bytes=100"});
  const std::string kept(99, 'a');
  EXPECT_THAT(written([&] { log::info("x", kept + "é" + std::string(1'000, 'b')); }),
              EndsWith(kept + "… (1002 bytes more)\n"));
}

TEST_F(Log, WhatDoesNotFitIsCountedAndTold) {
  const auto before = log::lines_dropped();
  configure({"log.buffer_max_bytes=1000"});
  const auto lines = written([] {
    log::info("x", std::string(2'000, 'a'));
    log::info("x", "fits");
    log::flush();
  });
  EXPECT_GE(log::lines_dropped(), before + 1);
  EXPECT_THAT(lines, HasSubstr(" dropped: nobody took them in time; log.buffer_max_bytes"));
}

}  // namespace
}  // namespace amc
