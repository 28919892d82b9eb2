#include "core/line_writer.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/support/temporary_folder.hpp"

namespace amc {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr milliseconds patience{60'000};

std::string told(std::uint64_t count, const std::string& why) {
  return "dropped " + std::to_string(count) + ": " + why + "\n";
}

class LineWriter : public testing::Test {
 protected:
  LineWriter() {
    std::signal(SIGPIPE, SIG_IGN);
    if (pipe(ends_) != 0) throw std::runtime_error("no pipe");
  }
  /// The other end stays open: a writer's thread may be held up in it until now.
  ~LineWriter() override { close_reader(); }

  void close_reader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }

  /// Reads until `text` has come.
  std::string read_until(const std::string& text) {
    char block[4'096];
    while (read_.find(text) == std::string::npos) {
      const auto count = read(ends_[0], block, sizeof block);
      if (count <= 0) throw std::runtime_error("the end");
      read_.append(block, static_cast<std::size_t>(count));
    }
    return read_;
  }

  /// Nothing more goes into the pipe until somebody reads; gives what has to be read first.
  std::string fill_pipe() const {
    fcntl(ends_[1], F_SETFL, O_NONBLOCK);
    std::string filled;
    for (char block[] = "0123456789\n";;) {
      const auto count = write(ends_[1], block, sizeof block - 1);
      if (count <= 0) break;
      filled.append(block, static_cast<std::size_t>(count));
    }
    fcntl(ends_[1], F_SETFL, 0);
    return filled;
  }

  /// Adds lines until one is dropped.
  static int fill(line_writer& writer) {
    int added = 0;
    for (; writer.dropped() == 0; ++added) writer.add("line " + std::to_string(added) + "\n");
    return added;
  }

  int ends_[2]{-1, -1};
  std::string read_;
};

TEST_F(LineWriter, WritesLinesInTheirOrder) {
  line_writer writer(ends_[1], 1'000, told);
  for (const auto* line : {"a\n", "b\n", "c\n"}) writer.add(line);
  EXPECT_TRUE(writer.flush(patience));
  EXPECT_EQ(read_until("c\n"), "a\nb\nc\n");
  EXPECT_FALSE(writer.busy());
  EXPECT_EQ(writer.dropped(), 0U);
}

TEST_F(LineWriter, ALineIsWrittenWithoutAFlushWheneverItComes) {
  line_writer writer(ends_[1], 1'000, told);
  for (int i = 0; i < 200; ++i) {
    const auto line = std::to_string(i) + "\n";
    writer.add(line);
    read_until("\n");
    EXPECT_EQ(read_, line);
    read_.clear();
    // At every moment of the thread's way back to rest.
    std::this_thread::sleep_for(std::chrono::microseconds(i % 20));
  }
}

TEST_F(LineWriter, LinesOfManyThreadsAllComeAndAFlushTakesThemAll) {
  const tests::temporary_folder folder;
  const int file = open((folder.path / "log").c_str(), O_WRONLY | O_CREAT, 0600);
  line_writer writer(file, 10'000'000, told);
  std::vector<std::thread> writing;
  for (int i = 0; i < 4; ++i)
    writing.emplace_back([&] {
      for (int n = 0; n < 1'000; ++n) {
        writer.add("a line\n");
        if (n % 100 == 0) {
          EXPECT_TRUE(writer.flush(patience));
        }
      }
    });
  for (auto& each : writing) each.join();
  EXPECT_TRUE(writer.flush(patience));
  std::ifstream stream(folder.path / "log");
  int lines = 0;
  for (std::string line; std::getline(stream, line);) lines += line == "a line";
  EXPECT_EQ(lines, 4'000);
  close(file);
}

TEST_F(LineWriter, AReaderThatHasStoppedReadingBlocksNobodyAndIsToldWhatItMissed) {
  const auto before = fill_pipe();
  line_writer writer(ends_[1], 10'000, told);
  const int added = fill(writer);
  for (int i = 0; i < 41; ++i) writer.add("too much\n");
  EXPECT_EQ(writer.dropped(), 42U);
  EXPECT_TRUE(writer.busy());
  EXPECT_FALSE(writer.flush(milliseconds(1))) << "a stop is not held up";
  const auto all = read_until("dropped 42: nobody took them in time\n");
  // What was not dropped is whole and in order, and what is told stands where the gap is.
  std::istringstream lines(all.substr(before.size()));
  std::string line;
  for (int i = 0; i + 1 < added; ++i) {
    ASSERT_TRUE(std::getline(lines, line));
    ASSERT_EQ(line, "line " + std::to_string(i));
  }
  writer.add("again\n");
  EXPECT_THAT(read_until("again\n"), EndsWith("dropped 42: nobody took them in time\nagain\n"));
}

TEST_F(LineWriter, TheBufferIsBoundedByBytes) {
  line_writer writer(ends_[1], 100, told);
  std::string too_long(200, 'x');
  too_long += '\n';
  writer.add(too_long);
  EXPECT_EQ(writer.dropped(), 1U);
  writer.set_buffer_max_bytes(1'000);
  writer.add("fits\n");
  EXPECT_TRUE(writer.flush(patience));
}

TEST_F(LineWriter, ADeadReaderKillsNobody) {
  line_writer writer(ends_[1], 10'000, told);
  close_reader();
  writer.add("a\n");
  EXPECT_TRUE(writer.flush(patience));
  writer.add("b\n");
  EXPECT_TRUE(writer.flush(patience));
  EXPECT_EQ(writer.dropped(), 2U);
}

TEST_F(LineWriter, AFullDiskKillsNobodyAndIsTold) {
  const tests::temporary_folder folder;
  const int full = open("/dev/full", O_WRONLY);
  const int file = open((folder.path / "log").c_str(), O_WRONLY | O_CREAT, 0600);
  // A descriptor of its own that leads to the full disk first, then to a file.
  const int log = dup(full);
  line_writer writer(log, 10'000, told);
  writer.add("a\n");
  writer.add("b\n");
  EXPECT_TRUE(writer.flush(patience));
  dup2(file, log);
  writer.add("c\n");
  EXPECT_TRUE(writer.flush(patience));
  std::ifstream stream(folder.path / "log");
  std::ostringstream content;
  content << stream.rdbuf();
  EXPECT_EQ(content.str(), "c\ndropped 2: No space left on device\n");
  for (const int descriptor : {full, file, log}) close(descriptor);
}

TEST_F(LineWriter, AClosedDescriptorKillsNobody) {
  line_writer writer(-1, 10'000, told);
  writer.add("a\n");
  EXPECT_TRUE(writer.flush(patience));
  EXPECT_EQ(writer.dropped(), 1U);
}

TEST_F(LineWriter, ADescriptorThatSomebodyHasMadeNonBlockingLosesNothing) {
  fcntl(ends_[1], F_SETFL, O_NONBLOCK);
  line_writer writer(ends_[1], 1 << 20, told);
  std::string expected;
  for (int i = 0; i < 20'000; ++i) expected += "line " + std::to_string(i) + "\n";
  std::istringstream lines(expected);
  for (std::string line; std::getline(lines, line);) writer.add(line + "\n");
  EXPECT_EQ(read_until("line 19999\n"), expected);
}

TEST_F(LineWriter, LinesOfManyThreadsStayWhole) {
  line_writer writer(ends_[1], 1 << 20, told);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&writer, t] {
      for (int i = 0; i < 500; ++i) writer.add(std::string(50, static_cast<char>('a' + t)) + "\n");
    });
  std::string all;
  char block[4'096];
  while (std::count(all.begin(), all.end(), '\n') < 2'000) {
    const auto count = read(ends_[0], block, sizeof block);
    ASSERT_GT(count, 0);
    all.append(block, static_cast<std::size_t>(count));
  }
  for (auto& thread : threads) thread.join();
  std::istringstream lines(all);
  for (std::string line; std::getline(lines, line);) ASSERT_EQ(line, std::string(50, line[0]));
}

}  // namespace
}  // namespace amc
