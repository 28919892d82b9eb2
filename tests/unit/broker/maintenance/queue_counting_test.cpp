#include "broker/maintenance/queue_counting.hpp"

#include <gmock/gmock.h>

#include "tests/support/broker_world.hpp"

namespace amc::broker {
namespace {

constexpr milliseconds interval(30'000);

class QueueCounting : public testing::Test {
 protected:
  ~QueueCounting() override { w_.world.run(counting_.stop()); }

  void send() { w_.accept("Hi, "); }
  std::vector<std::optional<std::size_t>> pending() {
    std::vector<std::optional<std::size_t>> all;
    for (const auto& point : w_.messages->seen().series("topic-a")) all.push_back(point.pending);
    return all;
  }

  tests::broker_world w_;
  queue_counting counting_{w_.world.env(), w_.messages, interval};
};

TEST_F(QueueCounting, EachPointHasWhatWaitedThoughNobodyHasAsked) {
  send();
  counting_.run();
  w_.world.advance(interval);
  send();
  w_.world.advance(interval);
  EXPECT_THAT(pending(), testing::Not(testing::Contains(std::nullopt)));
  EXPECT_EQ(pending().back(), 2U);
}

TEST_F(QueueCounting, GoesOnWhenTheStoreIsBack) {
  send();
  w_.disk->failing = unavailable(unavailable::reason::away, "away");
  counting_.run();
  w_.world.advance(interval);
  w_.disk->failing.reset();
  w_.world.advance(interval);
  EXPECT_EQ(pending().back(), 1U);
}

}  // namespace
}  // namespace amc::broker
