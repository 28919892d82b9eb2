#pragma once

#include <optional>
#include <string>

namespace amc::message_store {

/// What is known of a store: whether it can be used, and what is to be told about that. Plain logic, for one thread at
/// a time. An absence is told once, and its end, not for each request that it fails. Reads that succeed say nothing
/// about writes: what comes back may be a standby, and with some of the rights, or hardly any room, some changes
/// succeed and others fail. So after an absence writing is in doubt until it was tried.
class availability {
 public:
  /// What kind of request has failed.
  enum class failed { reading, writing };

  /// A line for the log, if there is one to be told.
  struct news {
    bool bad = false;
    std::string text{};
  };

  /// Whether a write that succeeds for everybody is still to be seen.
  bool writes_are_in_doubt() const { return state_ != state::usable; }

  std::optional<news> can_be_read();
  /// A write was tried that needs all that changes need.
  std::optional<news> can_be_written();
  std::optional<news> has_failed(failed how, const std::string& why);

 private:
  enum class state { untried, usable, unreadable, unwritable };
  static news is_back() { return {false, "is there again"}; }

  state state_ = state::untried;
};

}  // namespace amc::message_store
