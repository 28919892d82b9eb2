#include "queue_system/driver.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace amc::queue_system {
namespace {

using testing::HasSubstr;

/// A connection that takes nothing, or all.
struct link {
  bool takes = true;
  int* published = nullptr;

  std::vector<outgoing> publish(std::span<const outgoing> batch) const {
    ++*published;
    if (takes) return {};
    return {batch.begin(), batch.end()};
  }
  static std::size_t depth(const std::string&) { return 0; }
  static bool is_up() { return true; }
};

class ReconnectingPublisher : public testing::Test {
 protected:
  void publish() { publisher_.publish(std::vector<outgoing>{{"orders", "x"}}); }

  int connections_ = 0, published_ = 0;
  bool first_takes_ = true;
  reconnecting_publisher<link> publisher_{
      "engine at HOST", [this] {
        ++connections_;
        return std::make_unique<link>(link{connections_ > 1 || first_takes_, &published_});
      }};
};

TEST_F(ReconnectingPublisher, KeepsItsConnection) {
  publish();
  publish();
  EXPECT_EQ(connections_, 1);
}

TEST_F(ReconnectingPublisher, SaysWhichQueueTakesNothing) {
  first_takes_ = false;
  try {
    publish();
    FAIL() << "it was told to be published";
  } catch (const unavailable& failed) {
    EXPECT_THAT(failed.what(), HasSubstr("engine at HOST: queue \"orders\" does not take what is published"));
  }
  EXPECT_EQ(published_, 5);
}

TEST_F(ReconnectingPublisher, TakesAnotherConnectionWhereOneTakesNothing) {
  first_takes_ = false;
  EXPECT_THROW(publish(), unavailable);
  publish();
  EXPECT_EQ(connections_, 2);
}

}  // namespace
}  // namespace amc::queue_system
