#include "access/quotas.hpp"

#include <gmock/gmock.h>

#include "tests/support/manual_environment.hpp"

namespace amc::access {
namespace {

using testing::HasSubstr;

principal_ptr named(const std::string& name, quota own = {}) {
  auto who = std::make_shared<principal>();
  who->name = name;
  who->own_quota = own;
  return who;
}

class Quotas : public testing::Test {
 protected:
  int admitted(quotas& all, const principal_ptr& by, int requests) {
    int count = 0;
    for (int i = 0; i < requests; ++i) count += !all.admit(by);
    return count;
  }

  tests::manual_environment world_;
  principal_ptr shop_ = named("shop");
};

TEST_F(Quotas, SoManyRequestsASecondAreAdmitted) {
  quotas all(world_.env(), {.requests_per_s = 5});
  EXPECT_EQ(admitted(all, shop_, 10), 5);
  world_.advance(milliseconds(400));
  EXPECT_EQ(admitted(all, shop_, 10), 2);
  world_.advance(milliseconds(60'000));
  EXPECT_EQ(admitted(all, shop_, 10), 5) << "what was not used is not kept";
}

TEST_F(Quotas, OthersHaveTheirOwn) {
  quotas all(world_.env(), {.requests_per_s = 5});
  admitted(all, shop_, 10);
  EXPECT_EQ(admitted(all, named("packer"), 10), 5);
}

TEST_F(Quotas, ItsOwnQuotaGoesBeforeThatOfEverybody) {
  quotas all(world_.env(), {.requests_per_s = 5});
  EXPECT_EQ(admitted(all, named("batch", {.requests_per_s = 7}), 10), 7);
  EXPECT_EQ(admitted(all, named("chief", {.requests_per_s = 0}), 10), 10);
}

TEST_F(Quotas, NoneIsNone) {
  quotas all(world_.env(), {});
  EXPECT_EQ(admitted(all, shop_, 10), 10);
  all.charge(shop_, 1'000'000);
  EXPECT_FALSE(all.refuses(shop_));
  EXPECT_TRUE(all.park(shop_));
}

TEST_F(Quotas, NobodyIsNotCounted) {
  quotas all(world_.env(), {.requests_per_s = 1, .bytes_per_s = 1, .parked_max = 1});
  EXPECT_EQ(admitted(all, nullptr, 10), 10);
  all.charge(nullptr, 100);
  const auto first = all.park(nullptr), second = all.park(nullptr);
  EXPECT_TRUE(first && second);
}

TEST_F(Quotas, ALookIsNotCounted) {
  quotas all(world_.env(), {.requests_per_s = 1});
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(all.refuses(shop_));
  EXPECT_FALSE(all.admit(shop_));
  EXPECT_TRUE(all.refuses(shop_));
}

TEST_F(Quotas, WhoHadMoreBytesThanItMayIsRefusedUntilTheTimeMakesUpForIt) {
  quotas all(world_.env(), {.bytes_per_s = 1'000});
  all.charge(shop_, 3'500);
  const auto refused = all.admit(shop_);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, errc::over_quota);
  EXPECT_EQ(refused->come_again.count(), 3);
  EXPECT_THAT(refused->detail, HasSubstr("broker.access.quota.bytes_per_s"));
  world_.advance(milliseconds(2'400));
  EXPECT_TRUE(all.admit(shop_));
  world_.advance(milliseconds(100));
  EXPECT_FALSE(all.admit(shop_));
}

TEST_F(Quotas, APlaceIsFreeAgainWhenItsRequestHasWaited) {
  quotas all(world_.env(), {.parked_max = 2});
  auto first = all.park(shop_);
  {
    const auto second = all.park(shop_);
    ASSERT_TRUE(first && second);
    const auto third = all.park(shop_);
    ASSERT_FALSE(third);
    EXPECT_THAT(third.error().detail, HasSubstr("broker.access.quota.parked_max"));
    EXPECT_TRUE(all.park(named("packer")));
  }
  EXPECT_TRUE(all.park(shop_));
}

TEST_F(Quotas, TellsInNumbersWhoIsRefused) {
  quotas all(world_.env(), {.requests_per_s = 1});
  admitted(all, shop_, 4);
  EXPECT_THAT(world_.env().metrics->text(),
              HasSubstr("amc_quota_refusals_total{principal=\"shop\",quota=\"requests_per_s\"} 3"));
}

TEST_F(Quotas, NumbersAreAboutABoundedNumberOfNames) {
  quotas all(world_.env(), {.requests_per_s = 1});
  for (int i = 0; i < 1'100; ++i) admitted(all, named("p" + std::to_string(i)), 2);
  EXPECT_THAT(world_.env().metrics->text(), HasSubstr("{principal=\"(others)\",quota=\"requests_per_s\"} 100"));
}

TEST_F(Quotas, WhoIsOverItsQuotaStaysSoHoweverManyOthersCome) {
  quotas all(world_.env(), {.bytes_per_s = 1'000});
  all.charge(shop_, 100'000);
  for (int i = 0; i < 11'000; ++i) {
    all.admit(named("p" + std::to_string(i)));
    if (i % 5'000 == 0) world_.advance(milliseconds(1'000));
  }
  EXPECT_TRUE(all.admit(shop_));
}

}  // namespace
}  // namespace amc::access
