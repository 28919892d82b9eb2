#include "app/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <system_error>

#include "core/error.hpp"

extern char** environ;

namespace amc::app {
namespace {

using clock = std::chrono::steady_clock;

[[noreturn]] void refuse(const char* what) {
  throw startup_error(std::string("cannot start a handler: ") + what + ": " + std::generic_category().message(errno));
}

/// A descriptor that is closed in the end.
class end_of_pipe {
 public:
  end_of_pipe() = default;
  ~end_of_pipe() { close(); }
  end_of_pipe(const end_of_pipe&) = delete;
  end_of_pipe& operator=(const end_of_pipe&) = delete;
  void set(int number) { number_ = number; }
  int number() const { return number_; }
  bool open() const { return number_ >= 0; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_ = -1;
};

struct pipe_ends {
  end_of_pipe reading, writing;
  /// Not inherited; the end that this process keeps never blocks it.
  void open(bool keeps_writing) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) refuse("pipe");
    reading.set(ends[0]);
    writing.set(ends[1]);
    ::fcntl(keeps_writing ? ends[1] : ends[0], F_SETFL, O_NONBLOCK);
  }
};

/// This process's own environment, and what is added to it.
std::vector<std::string> environment_with(const std::vector<std::string>& added) {
  auto all = added;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    const auto name = text.substr(0, text.find('=') + 1);
    if (std::none_of(added.begin(), added.end(), [&](const auto& one) { return one.starts_with(name); }))
      all.emplace_back(text);
  }
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (auto& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

class running_child {
 public:
  explicit running_child(const child_command& what) : what_(what), left_(what.input) {
    in_.open(true);
    out_.open(false);
    err_.open(false);
    start();
    in_.reading.close();
    out_.writing.close();
    err_.writing.close();
    watch_.set(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!watch_.open()) {
      const int failed = errno;
      end(child_end::how::given_up);
      errno = failed;
      refuse("pidfd_open");
    }
  }

  child_end run() {
    if (left_.empty()) in_.writing.close();
    for (;;) {
      if (clock::now() >= what_.deadline) return end(child_end::how::out_of_time);
      if (!what_.goes_on()) return end(child_end::how::given_up);
      const bool has_ended = wait();
      write_some();
      read_some(err_.reading, [&](std::string_view part) { keep_errors(part); });
      read_some(out_.reading, [&](std::string_view part) { end_.output += part; });
      if (end_.output.size() > what_.output_max_bytes) return end(child_end::how::too_much_output);
      if (has_ended) return reap();
    }
  }

 private:
  /// Between fork and exec nothing but system calls: other threads may have held any lock.
  void start() {
    std::vector<std::string> words{"/bin/sh", "-c", what_.command};
    auto variables = environment_with(what_.environment);
    const auto arguments = pointers_to(words), environment = pointers_to(variables);
    sigset_t none;
    sigemptyset(&none);
    const auto parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) refuse("fork");
    if (pid_ > 0) {
      ::setpgid(pid_, pid_);  // whichever comes first
      return;
    }
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(in_.reading.number(), STDIN_FILENO);
    ::dup2(out_.writing.number(), STDOUT_FILENO);
    ::dup2(err_.writing.number(), STDERR_FILENO);
    ::syscall(SYS_close_range, 3U, ~0U, 0U);
    for (const int number : {SIGPIPE, SIGHUP, SIGINT, SIGTERM}) std::signal(number, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(arguments[0], arguments.data(), environment.data());
    ::_exit(127);
  }

  /// For anything to happen, a moment at most. Whether it has ended.
  bool wait() {
    constexpr int moment_ms = 50;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(what_.deadline - clock::now()).count();
    std::array<pollfd, 4> all{{{watch_.number(), POLLIN, 0},
                               {out_.reading.number(), POLLIN, 0},
                               {err_.reading.number(), POLLIN, 0},
                               {in_.writing.number(), POLLOUT, 0}}};
    ::poll(all.data(), all.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, moment_ms)));
    return (all[0].revents & POLLIN) != 0;
  }

  void write_some() {
    while (in_.writing.open() && !left_.empty()) {
      const auto count = ::write(in_.writing.number(), left_.data(), left_.size());
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
      // Whoever does not want to read on need not.
      left_.remove_prefix(count < 0 ? left_.size() : static_cast<std::size_t>(count));
    }
    in_.writing.close();
  }

  template <class Take>
  void read_some(end_of_pipe& from, const Take& take) {
    // As much as a pipe holds; not for ever, where somebody goes on writing.
    std::array<char, 16'384> block;
    for (int blocks = 0; from.open() && blocks < 64; ++blocks) {
      const auto count = ::read(from.number(), block.data(), block.size());
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (count <= 0) return from.close();
      take(std::string_view(block.data(), static_cast<std::size_t>(count)));
      if (end_.output.size() > what_.output_max_bytes) return;
    }
  }

  void keep_errors(std::string_view part) {
    end_.errors += part;
    if (end_.errors.size() > what_.errors_kept_bytes)
      end_.errors.erase(0, end_.errors.size() - what_.errors_kept_bytes);
  }

  child_end reap() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    end_.ended = WIFEXITED(status) ? child_end::how::exited : child_end::how::signalled;
    end_.code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    return std::move(end_);
  }

  child_end end(child_end::how why) {
    ::kill(-pid_, SIGKILL);
    auto ended = reap();
    ended.ended = why;
    return ended;
  }

  const child_command& what_;
  std::string_view left_;  ///< of the input
  pid_t pid_ = -1;
  pipe_ends in_, out_, err_;
  end_of_pipe watch_;  ///< readable once it has ended
  child_end end_;
};

}  // namespace

child_end run_child(const child_command& what) {
  return running_child(what).run();
}

}  // namespace amc::app
