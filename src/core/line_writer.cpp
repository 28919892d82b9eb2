#include "core/line_writer.hpp"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace amc {

/// Shared with the thread, which may be held up in a write when the owner is gone.
struct line_writer::state {
  state(int to, std::size_t max, tell_dropped how) : descriptor(to), buffer_max_bytes(max), tell(std::move(how)) {}

  const int descriptor;
  std::mutex mutex;
  std::condition_variable more, written;
  std::string waiting;  ///< whole lines
  std::size_t buffer_max_bytes;
  bool overflowed = false;  ///< since the thread last took what waits
  bool resting = false;     ///< until there is something to write
  bool writing = false;
  bool hurry = false;  ///< somebody waits for it
  bool running = false;
  bool stopping = false;
  std::uint64_t dropped = 0, untold = 0;
  std::string why;  ///< of what is untold
  std::atomic<bool> busy = false;

  // For the thread alone.
  const tell_dropped tell;
  bool cut = false;  ///< the last thing written ends within a line

  void start(const std::shared_ptr<state>& self);
  void run();
  void write_batch(std::unique_lock<std::mutex>& lock);
  void drop(std::uint64_t lines, const std::string& reason);
};

namespace {

std::uint64_t lines_in(std::string_view text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

/// Whole lines from the front that a pipe takes at once and unmixed with others'; at least one.
std::string_view next_chunk(std::string_view lines) {
  if (lines.size() <= PIPE_BUF) return lines;
  const auto last = lines.substr(0, PIPE_BUF).rfind('\n');
  return lines.substr(0, last == std::string_view::npos ? lines.find('\n') + 1 : last + 1);
}

}  // namespace

std::pair<std::string_view, int> write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::write(descriptor, bytes.data(), bytes.size());
    if (count > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {  // somebody who shares it has made it non-blocking
      pollfd room{descriptor, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return {bytes, errno};
    }
  }
  return {bytes, 0};
}

void line_writer::state::start(const std::shared_ptr<state>& self) {
  if (running) return;
  try {
    std::thread([self] {
      pthread_setname_np(pthread_self(), "log");
      self->run();
    }).detach();
    running = true;
  } catch (const std::system_error&) {
    // No thread to be had: what is added waits for the next try.
  }
}

void line_writer::state::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    resting = true;
    more.wait(lock, [this] { return !waiting.empty() || overflowed || stopping; });
    resting = false;
    if (waiting.empty() && !overflowed) return;
    // Lines come in groups, and waking this thread for each costs more than the line.
    constexpr milliseconds others_may_come{1};
    more.wait_for(lock, others_may_come,
                  [this] { return waiting.size() > PIPE_BUF || hurry || overflowed || stopping; });
    writing = true;
    write_batch(lock);
    writing = false;
    busy = !waiting.empty() || overflowed;
    hurry = hurry && busy;  // who waits for it waits for what came meanwhile, too
    written.notify_all();
  }
}

void line_writer::state::write_batch(std::unique_lock<std::mutex>& lock) {
  const auto batch = std::exchange(waiting, {});
  // What did not fit came after everything in the batch.
  overflowed = false;
  auto lost = std::exchange(untold, 0);
  auto reason = why;
  lock.unlock();
  std::string_view left = batch;
  int failed = 0;
  const auto write = [&](std::string_view bytes) {
    if (cut) {
      failed = write_all(descriptor, "\n").second;
      if (failed != 0) return bytes;
    }
    cut = false;
    const auto [rest, error] = write_all(descriptor, bytes);
    failed = error;
    cut = !rest.empty() && rest.size() < bytes.size() && bytes[bytes.size() - rest.size() - 1] != '\n';
    return rest;
  };
  while (!left.empty() && failed == 0) {
    const auto chunk = next_chunk(left);
    left.remove_prefix(chunk.size() - write(chunk).size());
  }
  if (failed == 0 && lost > 0 && write(tell(lost, reason)).empty()) lost = 0;
  lock.lock();
  untold += lost;
  if (failed != 0) drop(lines_in(left), std::generic_category().message(failed));
}

void line_writer::state::drop(std::uint64_t lines, const std::string& reason) {
  dropped += lines;
  untold += lines;
  why = reason;
}

line_writer::line_writer(int descriptor, std::size_t buffer_max_bytes, tell_dropped tell)
    : state_(std::make_shared<state>(descriptor, buffer_max_bytes, std::move(tell))) {}

line_writer::~line_writer() {
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->more.notify_one();
}

void line_writer::add(std::string_view line) {
  auto& s = *state_;
  std::unique_lock lock(s.mutex);
  s.overflowed = s.overflowed || s.waiting.size() + line.size() > s.buffer_max_bytes;
  if (s.overflowed)
    s.drop(1, "nobody took them in time");
  else
    s.waiting += line;
  s.busy = true;
  s.start(state_);
  const bool wake = s.resting || (!s.writing && (s.overflowed || s.waiting.size() > PIPE_BUF));
  s.resting = false;  // it is woken once
  lock.unlock();
  if (wake) s.more.notify_one();
}

bool line_writer::flush(milliseconds longest) {
  auto& s = *state_;
  std::unique_lock lock(s.mutex);
  const auto idle = [&] { return s.waiting.empty() && !s.overflowed && !s.writing; };
  if (idle()) return true;
  s.start(state_);
  s.hurry = true;
  s.more.notify_one();
  return s.written.wait_for(lock, longest, idle);
}

void line_writer::set_buffer_max_bytes(std::size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->buffer_max_bytes = bytes;
}

std::uint64_t line_writer::dropped() const {
  const std::lock_guard lock(state_->mutex);
  return state_->dropped;
}

bool line_writer::busy() const {
  return state_->busy;
}

}  // namespace amc
