#include "tests/chaos/journal.hpp"

#include <gmock/gmock.h>

/// The checker finds each fault that is planted.
namespace amc::chaos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const post accepted{"t-1", "", "id-1", true};
const post of_unknown_outcome{"t-1", "", "", true};
const post never_sent{"t-1", "", "", false};
const row finished{"id-1", "Hi t-1, Bram. Bye!", 3, "done"};

row with_text(const std::string& text) {
  auto other = finished;
  other.text = text;
  return other;
}

TEST(ChaosJournal, AFinishedMessageFitsWhatWasTold) {
  EXPECT_THAT(check({accepted}, {finished}), IsEmpty());
  EXPECT_THAT(check({of_unknown_outcome}, {finished}), IsEmpty());
  EXPECT_THAT(check({of_unknown_outcome}, {}), IsEmpty());
  EXPECT_THAT(check({never_sent}, {}), IsEmpty());
}

TEST(ChaosJournal, FindsAnAcceptedMessageThatIsLost) {
  EXPECT_THAT(check({accepted}, {}), ElementsAre(HasSubstr("lost")));
}

TEST(ChaosJournal, FindsAMessageThatIsThereTwice) {
  auto twin = finished;
  twin.id = "id-2";
  EXPECT_THAT(check({of_unknown_outcome}, {finished, twin}), ElementsAre(HasSubstr("doubled")));
}

TEST(ChaosJournal, FindsAMessageThatNobodyPosted) {
  EXPECT_THAT(check({}, {finished}), ElementsAre(HasSubstr("posted by nobody")));
  EXPECT_THAT(check({never_sent}, {finished}), ElementsAre(HasSubstr("never sent")));
}

TEST(ChaosJournal, FindsAnIdThatBelongsToAnotherMessage) {
  auto other = finished;
  other.id = "id-2";
  EXPECT_THAT(check({accepted}, {other}), ElementsAre(HasSubstr("stored as id-2")));
}

TEST(ChaosJournal, FindsAnAnswerThatWasAppliedTwice) {
  for (const auto* text : {"Hi t-1, Bram. Bye! Bye!", "Hi t-1, Bram. Eni. Bye!", "Hi t-1, Bram.", "Hi t-1, . Bye!"})
    EXPECT_THAT(check({accepted}, {with_text(text)}), ElementsAre(HasSubstr("one name"))) << text;
  auto again = finished;
  again.revision = 4;
  EXPECT_THAT(check({accepted}, {again}), ElementsAre(HasSubstr("one name")));
}

TEST(ChaosJournal, FindsAMessageThatIsNotDone) {
  auto dead = finished;
  dead.status = "dead";
  EXPECT_THAT(check({accepted}, {dead}), ElementsAre(HasSubstr("not done")));
}

}  // namespace
}  // namespace amc::chaos
