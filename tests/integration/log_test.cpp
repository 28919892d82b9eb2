#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <future>
#include <thread>

#include "tests/support/binary.hpp"
#include "tests/support/raw_http.hpp"

/// What becomes of a process whose stderr is not what it should be.
namespace amc::tests {
namespace {

using testing::HasSubstr;

class Logs : public testing::Test {
 protected:
  /// Reads the process's stderr until there is a port.
  std::uint16_t read_port() {
    const std::string before = "listening on http://127.0.0.1:";
    char block[4'096];
    while (read_.find('\n', read_.find(before)) == std::string::npos || read_.find(before) == std::string::npos) {
      const auto count = read(ends_[0], block, sizeof block);
      if (count <= 0) throw std::runtime_error("it ended: " + read_);
      read_.append(block, static_cast<std::size_t>(count));
    }
    return static_cast<std::uint16_t>(std::stoi(read_.substr(read_.find(before) + before.size())));
  }

  process::options amc_all_into_pipe(std::vector<std::string> sets = {}) {
    if (pipe2(ends_, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    fcntl(ends_[1], F_SETPIPE_SZ, 4'096);
    auto how = amc_all(folder_.path, std::move(sets));
    how.errors = ends_[1];
    return how;
  }

  static double dropped(std::uint16_t port) {
    const auto text = ask(port, "GET", "/metrics").body;
    const std::string name = "\namc_log_lines_dropped_total ";
    return std::stod(text.substr(text.find(name) + name.size()));
  }

  temporary_folder folder_;
  int ends_[2]{-1, -1};
  std::string read_;
};

TEST_F(Logs, AReaderThatGoesAwayEndsNothing) {
  process all(amc_all_into_pipe({"log.level=debug"}));
  close(ends_[1]);
  const auto port = read_port();
  close(ends_[0]);
  for (int i = 0; i < 5; ++i)
    EXPECT_THAT(ask(port, "POST", "/messages", R"({"message":"Hi, "})", "Prefer: wait=30\r\n").body, HasSubstr("Bye!"));
  EXPECT_GT(dropped(port), 0);
  all.signal(SIGTERM);
  EXPECT_EQ(all.wait(), 0) << "drained";
}

TEST_F(Logs, AReaderThatStopsReadingHoldsNothingUp) {
  process all(amc_all_into_pipe({"log.level=debug", "log.buffer_max_bytes=4096"}));
  const auto port = read_port();
  while (dropped(port) < 10)
    EXPECT_THAT(ask(port, "POST", "/messages", R"({"message":"Hi, "})", "Prefer: wait=30\r\n").body, HasSubstr("Bye!"));
  // Once it reads again it is told; and from then on there is room for lines again.
  std::promise<void> told;
  std::thread reader([&, is_told = false]() mutable {
    char block[4'096];
    for (ssize_t count = 0; (count = read(ends_[0], block, sizeof block)) > 0;) {
      read_.append(block, static_cast<std::size_t>(count));
      if (!is_told && read_.find("lines were dropped") != std::string::npos) told.set_value(), is_told = true;
    }
  });
  ask(port, "POST", "/messages", R"({"message":"Hi, "})", "Prefer: wait=30\r\n");
  told.get_future().wait();
  all.signal(SIGTERM);
  EXPECT_EQ(all.wait(), 0);
  close(ends_[1]);
  reader.join();
  EXPECT_THAT(read_,
              testing::ContainsRegex("\\[warning\\] \\[log\\] [0-9]+ lines were dropped: nobody took them in time"));
  EXPECT_THAT(read_, HasSubstr("stopping on SIGTERM")) << "the last lines are written";
  close(ends_[0]);
}

TEST_F(Logs, AReaderThatStopsReadingDelaysNoStop) {
  process all(amc_all_into_pipe({"log.level=debug", "log.buffer_max_bytes=4096"}));
  const auto port = read_port();
  while (dropped(port) == 0) ask(port, "POST", "/messages", R"({"message":"Hi, "})", "Prefer: wait=30\r\n");
  all.signal(SIGTERM);
  EXPECT_EQ(all.wait(), 0);
  for (const int end : ends_) close(end);
}

TEST_F(Logs, StandardStreamsThatAreClosedAreNotGivenToFiles) {
  const auto command = std::string("exec ") + AMC_BINARY + " broker --set broker.http.port=0 <&- >&- 2>&-";
  process broker({.arguments = {"/bin/sh", "-c", command}, .folder = folder_.path.string()});
  const auto target = [&](int descriptor) {
    std::error_code failed;
    return std::filesystem::read_symlink("/proc/" + std::to_string(broker.id()) + "/fd/" + std::to_string(descriptor),
                                         failed)
        .string();
  };
  while (broker.running() && !std::filesystem::exists(folder_.path / "var/amc.db-wal")) std::this_thread::yield();
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) EXPECT_EQ(target(descriptor), "/dev/null");
  broker.signal(SIGTERM);
  EXPECT_EQ(broker.wait(), 0);
}

TEST_F(Logs, SighupEndsNothing) {
  process all(amc_all(folder_.path));
  const auto port = port_of(all);
  all.signal(SIGHUP);
  all.wait_for_error_text("SIGHUP: routes and queues are as they were");
  EXPECT_EQ(ask(port, "GET", "/readyz").status, 200);
  all.signal(SIGTERM);
  EXPECT_EQ(all.wait(), 0);
}

}  // namespace
}  // namespace amc::tests
