#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>

#include "message_store/row_fault.hpp"

namespace amc::message_store {

/// The rows of a store that could not be read, each logged once. May be used from any thread.
class unreadable_rows {
 public:
  /// `name` is the message's id, or what stands in its place.
  void note(const std::string& name, const row_fault& fault);
  /// Somebody has mended it.
  void forget(const uuid& id);
  bool contains(const uuid& id) const;
  std::size_t count() const { return count_; }

 private:
  mutable std::mutex mutex_;
  std::set<std::string> names_;
  std::atomic<std::size_t> count_ = 0;  ///< of names_, which are hardly ever any
};

}  // namespace amc::message_store
