#include "http/byte_budget.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace amc::http {
namespace {

TEST(ByteBudget, HoldsWhatSeveralTake) {
  byte_budget budget(10);
  std::optional<byte_budget::share> one(std::in_place, budget);
  byte_budget::share other(budget);
  EXPECT_TRUE(one->hold(4));
  EXPECT_TRUE(other.hold(6));
  EXPECT_TRUE(budget.is_full());
  EXPECT_FALSE(one->hold(5));
  EXPECT_EQ(budget.held(), 10U) << "as before";
  EXPECT_TRUE(one->hold(3)) << "less always fits";
  EXPECT_TRUE(other.hold(7));
  one.reset();
  EXPECT_EQ(budget.held(), 7U);
}

TEST(ByteBudget, WhoeverIsAloneGetsAnyNumber) {
  byte_budget budget(10);
  byte_budget::share one(budget), other(budget);
  EXPECT_TRUE(one.hold(20));
  EXPECT_TRUE(one.hold(30));
  EXPECT_FALSE(other.hold(1));
  other.hold_anyway(1);
  EXPECT_EQ(budget.held(), 31U);
}

}  // namespace
}  // namespace amc::http
