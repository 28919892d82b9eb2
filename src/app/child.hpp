#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace amc::app {

/// A command that is given a text and writes another.
struct child_command {
  std::string command{};                   ///< for /bin/sh
  std::vector<std::string> environment{};  ///< "NAME=value", in place of this process's own of that name
  std::string input{};                     ///< all of its stdin
  std::size_t output_max_bytes = 0;        ///< of its stdout; more ends it
  std::size_t errors_kept_bytes = 0;       ///< of its stderr, the last ones
  std::chrono::steady_clock::time_point deadline{};
  /// Asked several times a second; false ends it. Its input and output wait meanwhile.
  std::function<bool()> goes_on{};
};

struct child_end {
  enum class how { exited, signalled, out_of_time, too_much_output, given_up };
  how ended = how::exited;
  int code = 0;  ///< of its exit, or the signal
  std::string output{};
  std::string errors{};
};

/// Runs a command to its end, in a process group of its own, which is killed where it is ended. What it leaves running
/// in the background is not waited for. It need not read its input. It is killed when the thread that called this ends.
/// From any thread. Throws startup_error when no process can be started.
child_end run_child(const child_command& what);

}  // namespace amc::app
