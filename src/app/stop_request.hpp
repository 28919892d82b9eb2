#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "amc/message.hpp"

namespace amc::app {

/// Why the process is to stop: somebody asked (exit 0), or it cannot go on (exit 1).
class stop_request {
 public:
  stop_request();

  /// Waits for SIGTERM, SIGINT or `fail`; returns the exit code. A second signal then ends the process at once.
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
  void finish(int exit_code);

  boost::asio::io_context context_{1};
  boost::asio::signal_set signals_{context_, SIGINT, SIGTERM};
  int exit_code_ = 0;
};

}  // namespace amc::app
