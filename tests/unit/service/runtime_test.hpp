#pragma once

#include <gtest/gtest.h>

#include "service/service_runtime.hpp"
#include "tests/support/broker_world.hpp"

namespace amc::service {

/// A service over a whole broker in memory. Its handler finishes a conversation, or fails; it runs on the world's
/// thread, or when the test says so.
class runtime_test : public testing::Test {
 protected:
  explicit runtime_test(std::vector<std::string> sets = {}) : w_(std::move(sets)) {
    w_.parts->run(false);
    service_.name = "test";
    service_.queue = "topic-a";
    service_.handler = [this](const delivery& work) {
      handled_.push_back(*parse_uuid(work.id()));
      if (throws_) throw std::runtime_error("cannot");
      return "Hi, X. Bye!";
    };
  }

  runtime_options options_of(std::size_t concurrency) const {
    runtime_options options;
    options.concurrency = concurrency;
    options.handler_timeout = handler_timeout_;
    options.peer = peer_;
    return options;
  }
  boost::asio::any_io_executor handlers(bool by_hand) {
    return by_hand ? boost::asio::any_io_executor(handlers_.get_executor()) : w_.world.env().executor;
  }
  void run() {
    runtime_->run();
    pass(10);
  }

  bool stop() { return w_.world.run(runtime_->stop(milliseconds(10'000))); }
  /// Nothing is in hand, so that nothing is to be waited for.
  void expect_to_stop_at_once() {
    const auto before = w_.world.env().timers->now();
    EXPECT_TRUE(stop());
    EXPECT_LT(w_.world.env().timers->now() - before, milliseconds(100));
    runtime_.reset();
  }
  void pass(int milliseconds_passed) { w_.world.advance(milliseconds(milliseconds_passed)); }
  void run_handlers() {
    handlers_.restart();
    handlers_.poll();
    w_.world.settle();
  }
  status status_of(const uuid& id) { return w_.find(id)->status; }

  tests::broker_world w_;
  boost::asio::io_context handlers_{1};
  service_definition service_;
  std::unique_ptr<service_runtime> runtime_;
  std::vector<uuid> handled_;
  bool throws_ = false;
  std::string peer_ = "broker";
  milliseconds handler_timeout_{300'000};
};

}  // namespace amc::service
