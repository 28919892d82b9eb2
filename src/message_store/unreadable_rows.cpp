#include "message_store/unreadable_rows.hpp"

#include "core/log.hpp"

namespace amc::message_store {

void unreadable_rows::note(const std::string& name, const row_fault& fault) {
  constexpr std::size_t names_max = 10'000;
  const std::lock_guard lock(mutex_);
  if (names_.size() >= names_max || !names_.insert(name).second) return;
  count_ = names_.size();
  log::error("store", "the row of message " + name + " cannot be read: " + fault.what() +
                          "; what asks for it is answered 503, and all else goes on (such rows so far: " +
                          std::to_string(names_.size()) + (names_.size() < names_max ? ")" : "; no more are named)"));
}

void unreadable_rows::forget(const uuid& id) {
  if (count_ == 0) return;
  const std::lock_guard lock(mutex_);
  names_.erase(to_string(id));
  count_ = names_.size();
}

bool unreadable_rows::contains(const uuid& id) const {
  if (count_ == 0) return false;
  const std::lock_guard lock(mutex_);
  return names_.contains(to_string(id));
}

}  // namespace amc::message_store
