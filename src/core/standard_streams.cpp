#include "core/standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "core/error.hpp"
#include "core/line_writer.hpp"
#include "core/text.hpp"

namespace amc {

void secure_standard_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  // The lowest free number is given: in this order each gets its own. What is printed to a closed stdout fails, as it
  // should; what is logged to a closed stderr was not wanted.
  for (const auto& [descriptor, mode] :
       {std::pair(STDIN_FILENO, O_RDONLY), {STDOUT_FILENO, O_RDONLY}, {STDERR_FILENO, O_WRONLY}})
    if (fcntl(descriptor, F_GETFD) < 0 && errno == EBADF) ::open("/dev/null", mode);
}

void print(std::string_view text) {
  if (const auto [left, error] = write_all(STDOUT_FILENO, text); error != 0) throw output_failed{error};
}

std::string read_input(std::size_t bytes_max) {
  std::string all;
  char block[16'384];
  for (;;) {
    const auto count = ::read(STDIN_FILENO, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw startup_error("cannot read stdin: " + std::generic_category().message(errno));
    if (count == 0) return all;
    all.append(block, static_cast<std::size_t>(count));
    if (all.size() > bytes_max)
      throw startup_error("stdin has more than " + std::to_string(bytes_max) + " bytes (broker.message_max_bytes)");
  }
}

std::string shown(std::string_view text) {
  return isatty(STDOUT_FILENO) != 0 ? escaped(text) : std::string(text);
}

}  // namespace amc
