#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>
#include <variant>

#include "core/error.hpp"
#include "core/task.hpp"

/// A coroutine that another thread waits for. That something is `unavailable` travels as a value: exception objects are
/// not shared between threads, unless they end the process.
namespace amc {

template <class T>
using value_or_failure = std::variant<T, unavailable>;

template <class T>
task<value_or_failure<T>> as_value(task<T> work) {
  std::optional<unavailable> failed;
  try {
    co_return co_await std::move(work);
  } catch (const unavailable& why) {
    failed = why;
  }
  co_return *std::move(failed);
}

/// Throws what was thrown there.
template <class T>
T value_of(value_or_failure<T> outcome) {
  if (const auto* failed = std::get_if<unavailable>(&outcome)) throw unavailable(*failed);
  return std::get<T>(std::move(outcome));
}

/// Runs it on the thread of that executor, and goes on on its own. Both must be there until it has ended.
template <class T>
task<T> run_at(boost::asio::any_io_executor there, task<T> work) {
  auto outcome = co_await boost::asio::co_spawn(there, as_value(std::move(work)), boost::asio::use_awaitable);
  co_return value_of(std::move(outcome));
}

}  // namespace amc
