#include "broker/refused_answers.hpp"

#include <gmock/gmock.h>

namespace amc::broker {
namespace {

using testing::Optional;

uuid numbered(int n) {
  uuid id{};
  id.data[14] = static_cast<std::uint8_t>(n / 256);
  id.data[15] = static_cast<std::uint8_t>(n % 256);
  return id;
}

message at_revision(int n, int revision) {
  message m;
  m.id = numbered(n);
  m.revision = revision;
  m.claim = 7;
  return m;
}

class RefusedAnswers : public testing::Test {
 protected:
  refused_answers refused_;
};

TEST_F(RefusedAnswers, TellsTheLatestToTheRevisionThatItWasFor) {
  refused_.note(at_revision(1, 1), "too large");
  EXPECT_THAT(refused_.latest_to(at_revision(1, 1)), Optional(std::string("too large")));
  EXPECT_EQ(refused_.latest_to(at_revision(1, 2)), std::nullopt);
  EXPECT_EQ(refused_.latest_to(at_revision(2, 1)), std::nullopt);
}

TEST_F(RefusedAnswers, SaysWhatIsNewOnce) {
  EXPECT_TRUE(refused_.note(at_revision(1, 1), "too large"));
  EXPECT_FALSE(refused_.note(at_revision(1, 1), "too large"));
  EXPECT_TRUE(refused_.note(at_revision(1, 1), "no route"));
  EXPECT_TRUE(refused_.note(at_revision(1, 2), "no route"));
}

TEST_F(RefusedAnswers, ForgetsTheOldestOfMoreThanAThousand) {
  for (int n = 0; n < 1'001; ++n) refused_.note(at_revision(n, 1), "too large");
  EXPECT_EQ(refused_.latest_to(at_revision(0, 1)), std::nullopt);
  EXPECT_THAT(refused_.latest_to(at_revision(1, 1)), Optional(std::string("too large")));
  EXPECT_THAT(refused_.latest_to(at_revision(1'000, 1)), Optional(std::string("too large")));
}

}  // namespace
}  // namespace amc::broker
