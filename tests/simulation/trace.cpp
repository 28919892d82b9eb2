#include "tests/simulation/trace.hpp"

#include <cstdio>
#include <cstring>

namespace amc::simulation {

void trace::mix(std::uint64_t value) {
  hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15;
  hash_ ^= hash_ >> 32;
}

void trace::mix(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t part = 0;
    std::memcpy(&part, text.data() + i, std::min(sizeof part, text.size() - i));
    mix(part);
  }
}

void trace::note(milliseconds at, std::string_view who, std::string_view what, std::uint64_t number) {
  mix(static_cast<std::uint64_t>(at.count()));
  mix(who);
  mix(what);
  mix(number);
  if (prints_) print(at, who, std::string(what) + " " + std::to_string(number));
}

void trace::note(milliseconds at, std::string_view who, std::string_view what, const uuid& id, int revision) {
  std::uint64_t half = 0;
  std::memcpy(&half, id.data + 8, sizeof half);
  mix(static_cast<std::uint64_t>(at.count()));
  mix(who);
  mix(what);
  mix(half + static_cast<std::uint64_t>(revision));
  if (prints_) print(at, who, std::string(what) + " " + brief(id) + "/" + std::to_string(revision));
}

void trace::print(milliseconds at, std::string_view who, std::string_view text) const {
  if (!prints_) return;
  std::printf("%8.3f  %-12.*s %.*s\n", static_cast<double>(at.count()) / 1000, static_cast<int>(who.size()), who.data(),
              static_cast<int>(text.size()), text.data());
}

std::string brief(const uuid& id) {
  return to_string(id).substr(30);
}

}  // namespace amc::simulation
