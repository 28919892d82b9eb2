#pragma once

#include <string>
#include <string_view>

/// stdin, stdout and stderr of the process.
namespace amc {

/// To be called before anything opens a file. A stream that was closed by whoever started the process would be the next
/// file that is opened, a database or a socket, and be written to; and SIGPIPE would end the process for a reader that
/// went away.
void secure_standard_streams();

/// stdout takes no more. A reader that has had enough (`| head`) is no error worth a word.
struct output_failed {
  int error;
};

/// Writes all of it to stdout at once. Throws output_failed.
void print(std::string_view text);

/// All of stdin. Throws startup_error where it has more bytes than these, or cannot be read.
std::string read_input(std::size_t bytes_max);

/// What strangers wrote, for stdout: to a terminal without what could steer it, to a file or pipe as it is.
std::string shown(std::string_view text);

}  // namespace amc
