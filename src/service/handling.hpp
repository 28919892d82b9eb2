#pragma once

#include <atomic>
#include <boost/system/result.hpp>
#include <functional>
#include <optional>
#include <string>

#include "amc/service.hpp"
#include "core/work.hpp"

namespace amc::service {

/// What a handler has said, as brokers take it.
struct answered {
  content said{};
  std::optional<destination> to{};
};

struct handler_failure {
  std::string reason{};
  bool is_final = false;
};

/// What became of one delivery in its handler.
using handler_outcome = boost::system::result<answered, handler_failure>;

/// What no store and no request takes is a failure of the handler.
handler_outcome outcome_of(answer said);

/// Calls the handler. Whatever leaves it ends the delivery as a failure, unless it has told another end before.
void handle(const handler& call, const delivery& work, const completion& end);

}  // namespace amc::service

/// Tells `told` the first end that it hears of, on the thread that it hears it on.
struct amc::completion::state {
  explicit state(std::function<void(service::handler_outcome)> first) : told(std::move(first)) {}
  ~state();
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  bool end(const std::function<service::handler_outcome()>& how);

  std::function<void(service::handler_outcome)> told;
  std::atomic<bool> over = false;
};
