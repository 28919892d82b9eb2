#include "broker/maintenance/mass_cancel.hpp"

#include <gmock/gmock.h>

#include "tests/support/broker_world.hpp"

namespace amc::broker {
namespace {

/// Ids in an order that the test chooses.
uuid numbered(std::uint8_t hundreds, std::uint8_t ones) {
  uuid id{};
  id.data[14] = hundreds;
  id.data[15] = ones;
  return id;
}

class MassCancel : public testing::Test {
 protected:
  MassCancel() { w_.parts->run(false); }

  uuid send(const uuid& id, const std::string& queue) {
    life_cycle::accept_options there{.to = to_queue{queue}};
    EXPECT_TRUE(w_.world.run(w_.messages->accept(id, "Hi, ", there)));
    return id;
  }
  status status_of(const uuid& id) { return w_.find(id)->status; }

  /// Until its first step is done, of 100 messages.
  void begin(const std::string& queue) {
    ASSERT_TRUE(w_.purges->start(queue, w_.world.wall_clock()));
    w_.world.advance(milliseconds(5));
  }
  void end() {
    w_.world.advance(milliseconds(1'000));
    ASSERT_FALSE(w_.purges->now().running);
  }

  tests::broker_world w_;
};

TEST_F(MassCancel, IsOfOneQueue) {
  const auto one = send(numbered(0, 1), "q"), other = send(numbered(0, 2), "r");
  begin("q");
  end();
  EXPECT_EQ(status_of(one), status::cancelled);
  EXPECT_EQ(status_of(other), status::pending);
  EXPECT_EQ(w_.purges->now().cancelled, 1U);
  EXPECT_EQ(w_.purges->now().left, 0U);
}

TEST_F(MassCancel, IsOfWhatWasThereWhenItWasAskedForAlsoWhereTheStoreWasAwayMeanwhile) {
  const auto before = send(numbered(0, 1), "q");
  w_.disk->failing = unavailable(unavailable::reason::full, "full");
  begin("q");
  w_.disk->failing.reset();
  const auto later = send(numbered(0, 2), "q");
  w_.world.advance(milliseconds(5'000));
  EXPECT_EQ(status_of(before), status::cancelled);
  EXPECT_EQ(status_of(later), status::pending);
}

/// Ids are given by brokers whose clocks differ.
TEST_F(MassCancel, LeavesAloneWhatCameLaterAndGoesOnBehindIt) {
  constexpr std::uint8_t step = 100;
  std::vector<uuid> before;
  for (std::uint8_t hundreds = 1; hundreds < 4; ++hundreds)
    for (std::uint8_t ones = 0; ones < step; ++ones) before.push_back(send(numbered(hundreds, ones), "q"));
  begin("q");
  ASSERT_EQ(w_.purges->now().cancelled, step);
  const auto later = send(numbered(2, step), "q");
  end();
  for (const auto& id : before) EXPECT_EQ(status_of(id), status::cancelled) << amc::to_string(id);
  EXPECT_EQ(status_of(later), status::pending);
}

}  // namespace
}  // namespace amc::broker
