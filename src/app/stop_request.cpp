#include "app/stop_request.hpp"

#include "core/log.hpp"

namespace amc::app {

stop_request::stop_request() {
  signals_.async_wait([this](boost::system::error_code failed, int signal) {
    if (failed) return;
    log::info("amc", std::string("stopping on ") + (signal == SIGINT ? "SIGINT" : "SIGTERM"));
    finish(0);
  });
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
  context_.stop();
}

}  // namespace amc::app
