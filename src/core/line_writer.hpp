#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/message.hpp"

namespace amc {

/// Writes as much as is taken, waiting where it must; what is left, and why (0: nothing is).
std::pair<std::string_view, int> write_all(int descriptor, std::string_view bytes);

/// Writes lines to a descriptor from a thread of its own, so that whoever adds one waits for no disk, terminal or
/// reader. Lines are written in the order in which they came, each whole, several with one call. What does not fit the
/// buffer, or cannot be written, is dropped and counted; the next thing that can be written then is `tell`'s line about
/// it. From any thread. SIGPIPE must be ignored.
class line_writer {
 public:
  /// The line that says how many were dropped, and why; with its newline. Called on the writer's thread.
  using tell_dropped = std::function<std::string(std::uint64_t count, const std::string& why)>;

  line_writer(int descriptor, std::size_t buffer_max_bytes, tell_dropped tell);
  /// Lines that wait are still written if nothing blocks; nobody waits for them: `flush` first.
  ~line_writer();
  line_writer(const line_writer&) = delete;
  line_writer& operator=(const line_writer&) = delete;

  /// The line ends with a newline. Never blocks.
  void add(std::string_view line);

  /// Waits until everything is written, no longer than this; false when it is not.
  bool flush(milliseconds longest);

  /// Of lines that wait to be written.
  void set_buffer_max_bytes(std::size_t bytes);
  std::uint64_t dropped() const;

  /// Whether something waits to be written. For signal handlers, too.
  bool busy() const;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace amc
