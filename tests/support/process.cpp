#include "tests/support/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace amc::tests {
namespace {

std::string temporary_file() {
  std::string name = "/tmp/amc-test-output-XXXXXX";
  const int descriptor = mkstemp(name.data());
  if (descriptor < 0) throw std::runtime_error("cannot make a temporary file");
  close(descriptor);
  return name;
}

std::string content(const std::string& file) {
  std::ifstream stream(file);
  std::ostringstream all;
  all << stream.rdbuf();
  return all.str();
}

std::vector<std::string> variables_of_tests() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry; ++entry) {
    const std::string variable(*entry);
    if (variable.starts_with("AMC_TEST_")) names.push_back(variable.substr(0, variable.find('=')));
  }
  return names;
}

}  // namespace

process::process(options how) : output_file_(temporary_file()), errors_file_(temporary_file()) {
  std::vector<char*> arguments;
  for (auto& argument : how.arguments) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ > 0) return;
  if (how.dies_by > 0) prctl(PR_SET_PDEATHSIG, how.dies_by);
  ::signal(SIGPIPE, SIG_DFL);  // as a shell would start it, whatever this process does about it
  // Where the servers of the tests are is not for the binary, which would wonder about it.
  for (const auto& variable : variables_of_tests()) unsetenv(variable.c_str());
  for (auto& variable : how.environment) putenv(variable.data());
  const int out = how.output < 0 ? open(output_file_.c_str(), O_WRONLY | O_APPEND) : how.output;
  const int err = how.errors < 0 ? open(errors_file_.c_str(), O_WRONLY | O_APPEND) : how.errors;
  if (how.input >= 0) dup2(how.input, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  const rlimit files{how.open_files_max, how.open_files_max};
  if (how.open_files_max > 0) setrlimit(RLIMIT_NOFILE, &files);
  if (chdir(how.folder.c_str()) == 0) execv(arguments[0], arguments.data());
  _exit(127);
}

process::~process() {
  if (!ended_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, &status_, 0);
  }
  unlink(output_file_.c_str());
  unlink(errors_file_.c_str());
}

void process::signal(int number) const {
  kill(pid_, number);
}

bool process::running() {
  if (!ended_ && waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
  return !ended_;
}

int process::wait(std::chrono::seconds longest) {
  const auto deadline = std::chrono::steady_clock::now() + longest;
  while (running()) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("did not end; errors: " + errors());
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

std::string process::output() const {
  return content(output_file_);
}

std::string process::errors() const {
  return content(errors_file_);
}

std::string process::wait_for_error_text(const std::string& text, std::chrono::seconds longest) {
  const auto deadline = std::chrono::steady_clock::now() + longest;
  for (;;) {
    const bool alive = running();
    const auto all = errors();
    const auto found = all.find(text);
    if (found != std::string::npos && all.find('\n', found) != std::string::npos)
      return all.substr(found + text.size(), all.find('\n', found) - found - text.size());
    if (!alive || std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("never wrote \"" + text + "\"; errors: " + all);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

namespace {

std::uint16_t port_after(process& broker, const std::string& text) {
  const auto address = broker.wait_for_error_text(text);
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

}  // namespace

std::uint16_t port_of(process& broker) {
  return port_after(broker, "listening on ");
}

std::uint16_t admin_port_of(process& broker) {
  return port_after(broker, "listening (broker.admin) on ");
}

}  // namespace amc::tests
