#include "app/standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/line_writer.hpp"
#include "core/text.hpp"

namespace amc::app {

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

std::string shown(std::string_view text) {
  return isatty(STDOUT_FILENO) != 0 ? escaped(text) : std::string(text);
}

}  // namespace amc::app
