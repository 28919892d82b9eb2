#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace amc::tests {

/// A child process; killed by its id when it is still there at the end.
class process {
 public:
  struct options {
    std::vector<std::string> arguments;  ///< the program first
    std::string folder = ".";
    std::vector<std::string> environment{};  ///< "NAME=value", added to the test's own
    std::size_t open_files_max = 0;          ///< 0: as many as the test itself
    int input = -1;                          ///< a descriptor to read from instead of the test's own
    int dies_by = 0;  ///< a signal that it gets when the thread that has started it has ended, however; 0: none
    int output = -1, errors = -1;  ///< descriptors to write to instead of `output()` and `errors()`
  };

  explicit process(options how);
  ~process();
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  pid_t id() const { return pid_; }
  void signal(int number) const;
  /// The exit code, or 128 + the signal that ended it. Throws when it takes longer than `longest`.
  int wait(std::chrono::seconds longest = std::chrono::seconds(60));
  bool running();

  /// What it has written so far.
  std::string output() const;
  std::string errors() const;

  /// Waits until `text` stands in its errors; returns the rest of that line. Throws when it ends or takes too long.
  std::string wait_for_error_text(const std::string& text, std::chrono::seconds longest = std::chrono::seconds(60));

 private:
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
  std::string output_file_;
  std::string errors_file_;
};

/// "…:PORT" at the end of the line that a broker logs when it listens.
std::uint16_t port_of(process& broker);
/// The same of its listener for the page.
std::uint16_t admin_port_of(process& broker);

}  // namespace amc::tests
