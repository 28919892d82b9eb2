#include "core/stop_request.hpp"

#include <csignal>

#include "core/log.hpp"

namespace amc {

stop_request::stop_request() {
  listen();
#ifdef __SANITIZE_THREAD__
  // GCC 12's TSan loses a signal that comes within the first blocking call of a thread: this is the first.
  context_.poll();
#endif
}

void stop_request::listen() {
  signals_.async_wait([this](boost::system::error_code failed, int signal) {
    if (failed) return;
    if (signal == SIGHUP) {
      reload_now();
      listen();
      return;
    }
    log::info("amc", std::string("stopping on ") + (signal == SIGINT ? "SIGINT" : "SIGTERM"));
    finish(0);
  });
}

void stop_request::reload_now() const {
  if (!reload_) return log::info("amc", "SIGHUP: nothing to reload; restart to change the configuration");
  try {
    log::info("amc", "SIGHUP: " + reload_());
  } catch (const std::exception& failed) {
    log::error("amc", std::string("SIGHUP: nothing is changed: ") + failed.what());
  }
}

int stop_request::wait() {
  context_.run();
  return exit_code_;
}

void stop_request::pause(milliseconds longest) {
  context_.run_for(longest);
  if (context_.stopped()) throw requested{exit_code_};
}

void stop_request::finish(int exit_code) {
  exit_code_ = exit_code;
  boost::system::error_code ignored;
  signals_.clear(ignored);  // the default action is back
  // A terminal that is closed, or a late wish to reload, does not cut the drain short.
  std::signal(SIGHUP, SIG_IGN);
  context_.stop();
}

}  // namespace amc
