#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <string>

#include "core/message.hpp"

namespace amc {

/// What is asked of the process by signals. To stop: somebody asked (SIGTERM or SIGINT, exit 0), or it cannot go on
/// (exit 1). To reload (SIGHUP): the process goes on.
class stop_request {
 public:
  /// Reloads what can be reloaded and says what it did; throws std::exception when all stays as it was.
  using reload = std::function<std::string()>;

  stop_request();

  /// What SIGHUP does; without one it is logged, and nothing else. On the thread that waits.
  void when_asked_to_reload(reload work) { reload_ = std::move(work); }

  /// Waits for SIGTERM, SIGINT or `fail`; returns the exit code. A second signal then ends the process at once, but
  /// SIGHUP never does.
  int wait();

  /// Waits this long; throws `requested` as soon as the process is to stop.
  void pause(milliseconds longest);
  struct requested {
    int exit_code;
  };

  /// The process cannot go on. From any thread, through `executor`.
  void fail() { finish(1); }
  boost::asio::any_io_executor executor() { return context_.get_executor(); }

 private:
  void listen();
  void reload_now() const;
  void finish(int exit_code);

  boost::asio::io_context context_{1};
  boost::asio::signal_set signals_{context_, SIGINT, SIGTERM, SIGHUP};
  reload reload_;
  int exit_code_ = 0;
};

}  // namespace amc
