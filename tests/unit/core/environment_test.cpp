#include "core/environment.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

namespace amc {
namespace {

std::uint64_t undo_right(std::uint64_t y, int shift, std::uint64_t mask) {
  auto x = y;
  for (int i = 0; i < 64; i += shift) x = y ^ ((x >> shift) & mask);
  return x;
}

std::uint64_t undo_left(std::uint64_t y, int shift, std::uint64_t mask) {
  auto x = y;
  for (int i = 0; i < 64; i += shift) x = y ^ ((x << shift) & mask);
  return x;
}

/// How many of the numbers that follow are told by 312 earlier ones, if a Mersenne twister gives them.
int predicted(const std::function<std::uint64_t()>& random) {
  std::ostringstream words;
  for (int i = 0; i < 312; ++i) {
    auto y = random();
    y = undo_right(y, 43, ~std::uint64_t{0});
    y = undo_left(y, 37, 0xfff7eee000000000);
    y = undo_left(y, 17, 0x71d67fffeda60000);
    y = undo_right(y, 29, 0x5555555555555555);
    words << y << ' ';
  }
  words << 312;
  std::mt19937_64 twin;
  std::istringstream(words.str()) >> twin;
  int right = 0;
  for (int i = 0; i < 100; ++i) right += random() == twin();
  return right;
}

TEST(SystemRandom, EarlierNumbersDoNotTellLaterOnes) {
  std::mt19937_64 weak(17);
  ASSERT_EQ(predicted([&] { return weak(); }), 100) << "the attack works where it can";
  EXPECT_EQ(predicted(system_random), 0);
}

TEST(SystemRandom, GivesNoNumberTwice) {
  constexpr int threads = 4, each = 5'000;
  std::vector<std::vector<std::uint64_t>> given(threads);
  std::vector<std::thread> running;
  for (auto& numbers : given)
    running.emplace_back([&numbers] {
      for (int i = 0; i < each; ++i) numbers.push_back(system_random());
    });
  for (auto& thread : running) thread.join();
  std::set<std::uint64_t> all;
  for (const auto& numbers : given) all.insert(numbers.begin(), numbers.end());
  EXPECT_EQ(all.size(), threads * each);
  EXPECT_FALSE(all.contains(0)) << "what is wiped is not given";
}

}  // namespace
}  // namespace amc
