#pragma once

#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/config.hpp"

namespace amc {

/// What a process runs with, for people: a reload changes a part of it. Thread-safe.
class config_in_force {
 public:
  /// A key, its value as YAML on one line with its secrets masked, and where that came from.
  struct shown_key {
    std::string path;
    std::string value;
    std::string origin;  ///< as of `config::entry`
  };

  explicit config_in_force(const config& started) {
    for (const auto& [path, entry] : started.entries()) keys_.push_back({path, printable(entry), entry.origin});
  }

  /// These keys are as they are there from now on.
  void reloaded(const config& next, std::span<const std::string> keys) {
    const std::lock_guard lock(guard_);
    for (auto& key : keys_)
      for (const auto& path : keys)
        if (key.path == path) key = {path, printable(next.at(path)), next.at(path).origin};
  }

  /// In the order of their paths.
  std::vector<shown_key> keys() const {
    const std::lock_guard lock(guard_);
    return keys_;
  }

 private:
  mutable std::mutex guard_;
  std::vector<shown_key> keys_;
};

}  // namespace amc
