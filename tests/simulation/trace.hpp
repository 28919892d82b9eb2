#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/message.hpp"

namespace amc::simulation {

/// Everything that happens in a run, as one number: two runs that differ in anything differ in it. Prints the steps
/// too when it is told to.
class trace {
 public:
  explicit trace(bool prints) : prints_(prints) {}

  void note(milliseconds at, std::string_view who, std::string_view what, std::uint64_t number = 0);
  void note(milliseconds at, std::string_view who, std::string_view what, const uuid& id, int revision);
  /// For lines that cost something to build, and that the hash does not need.
  void print(milliseconds at, std::string_view who, std::string_view text) const;

  bool prints() const { return prints_; }
  std::uint64_t hash() const { return hash_; }

 private:
  void mix(std::uint64_t value);
  void mix(std::string_view text);

  bool prints_;
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

/// The last digits of an id: enough for a person to tell one from another.
std::string brief(const uuid& id);

}  // namespace amc::simulation
