#pragma once

#include <cstdint>
#include <span>

namespace amc::simulation {

/// A stream of random numbers that is the same on every machine (the standard's distributions are not).
class random_stream {
 public:
  random_stream(std::uint64_t seed, std::uint64_t stream) : state_(seed ^ (0x9e3779b97f4a7c15 * (stream + 1))) {
    next();
  }

  std::uint64_t next() {  // splitmix64
    auto z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  /// From `least` to `most`, both included.
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(most - least + 1));
  }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }

  bool chance(double probability) {
    if (probability <= 0) return false;
    constexpr double one = 9007199254740992.0;  // 2^53: what a double holds exactly
    return static_cast<double>(next() >> 11) < probability * one;
  }

  template <class T>
  const T& pick(std::span<const T> from) {
    return from[below(from.size())];
  }

 private:
  std::uint64_t state_;
};

}  // namespace amc::simulation
