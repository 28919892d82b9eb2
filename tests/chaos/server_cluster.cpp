#include "tests/chaos/server_cluster.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/support/source_folder.hpp"

namespace amc::chaos {
namespace {

// How the script ends a command.
constexpr auto done = "done ", failed = "failed ";

std::size_t lines_with(const std::string& text, const std::string& begin) {
  std::istringstream all(text);
  std::size_t count = 0;
  for (std::string line; std::getline(all, line);)
    if (line.starts_with(begin)) ++count;
  return count;
}

}  // namespace

server_cluster::server_cluster(std::string engine, bool apart) : engine_(std::move(engine)) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
  commands_ = ends[1];
  tests::process::options how;
  how.arguments = {tests::source_folder() / "scripts/test-cluster", engine_};
  if (apart) how.arguments.push_back("--apart");
  how.input = ends[0];
  how.dies_by = SIGTERM;
  script_ = std::make_unique<tests::process>(how);
  close(ends[0]);
  try {
    wait_for([](const std::string& told) { return lines_with(told, "ready") > 0; });
  } catch (...) {
    end();
    throw;
  }
}

server_cluster::~server_cluster() {
  end();
}

/// The script stops its servers, and takes their networks and their folder away.
void server_cluster::end() noexcept {
  close(commands_);
  try {
    if (!script_->running()) return;
    script_->signal(SIGTERM);
    constexpr std::chrono::minutes longest{3};  // each server has 20 s to stop, and the machine much else to do
    script_->wait(longest);
  } catch (const std::exception& failed) {
    std::cerr << "the servers of " << engine_ << " were not stopped in order: " << failed.what() << std::endl;
  }
}

std::vector<std::string> server_cluster::sets() const {
  std::istringstream told(script_->output());
  const std::string begin = "set=";
  std::vector<std::string> all;
  for (std::string line; std::getline(told, line);)
    if (line.starts_with(begin)) all.push_back(line.substr(begin.size()));
  return all;
}

void server_cluster::tell(const std::string& command) {
  const auto line = command + "\n";
  if (write(commands_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    throw std::runtime_error("nobody listens to \"" + command + "\"");
  const auto failed_before = lines_with(script_->output(), failed);
  ++told_;
  wait_for([this](const std::string& told) { return lines_with(told, done) + lines_with(told, failed) >= told_; });
  if (lines_with(script_->output(), failed) > failed_before) throw broken();
}

void server_cluster::wait_for(const std::function<bool(const std::string& told)>& enough) {
  constexpr std::chrono::minutes longest{5};
  const auto deadline = std::chrono::steady_clock::now() + longest;
  while (!enough(script_->output())) {
    if (!script_->running() || std::chrono::steady_clock::now() > deadline) throw broken();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::runtime_error server_cluster::broken() const {
  return std::runtime_error("no " + engine_ + " cluster: " + script_->output() + script_->errors());
}

bool have_own_network() {
  if (unshare(CLONE_NEWNET) != 0) return false;
  const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq loopback{};
  std::strcpy(loopback.ifr_name, "lo");
  loopback.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool up = ioctl(descriptor, SIOCSIFFLAGS, &loopback) == 0;
  close(descriptor);
  return up;
}

}  // namespace amc::chaos
