#pragma once

#include <cstddef>
#include <utility>

#include "core/error.hpp"
#include "core/task.hpp"

namespace amc::broker {

/// A batch may take several calls to the store, or transactions: when it goes away, a part may have been carried out.
template <class Results>
task<Results> in_parts(std::size_t entries, task<Results> work) {
  try {
    co_return co_await std::move(work);
  } catch (const unavailable& failed) {
    if (entries <= 1) throw;
    throw unavailable(unavailable::reason::outcome_unknown, failed.what());
  }
}

}  // namespace amc::broker
