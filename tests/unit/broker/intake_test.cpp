#include "broker/intake.hpp"

#include <gmock/gmock.h>

#include "tests/support/broker_world.hpp"

namespace amc::broker {
namespace {

using testing::HasSubstr;

errc refusal_of(const std::optional<error>& wrong) {
  return wrong ? wrong->code : errc::not_found;
}

TEST(Intake, TakesTheLargestMessageAndNoLarger) {
  EXPECT_FALSE(unfit_message("four", 4));
  EXPECT_EQ(refusal_of(unfit_message("fiver", 4)), errc::too_large);
  EXPECT_THAT(unfit_message("fiver", 4)->detail, HasSubstr("broker.message_max_bytes"));
}

TEST(Intake, BytesCountAndNotTheirBase64) {
  content bytes("AAECAw==");
  bytes.form = content_form::bytes;
  EXPECT_EQ(bytes.size(), 4U);
  EXPECT_FALSE(unfit_message(bytes, 4));
  EXPECT_EQ(refusal_of(unfit_message(bytes, 3)), errc::too_large);
}

TEST(Intake, TakesSoManyHeadersAndNoMore) {
  content said("Hi, ");
  said.headers.emplace();
  for (std::size_t i = 0; i < headers_max; ++i) said.headers->push_back({"h" + std::to_string(i), ""});
  EXPECT_FALSE(unfit_message(said, 4));
  said.headers->push_back({"one", "more"});
  EXPECT_EQ(refusal_of(unfit_message(said, 4)), errc::invalid);
  EXPECT_THAT(unfit_message(said, 4)->detail, HasSubstr("it may have 64 of 8192 bytes"));
}

TEST(Intake, HeadersAreBoundedByBytesToo) {
  content said("Hi, ");
  said.headers = std::vector<header>{{"h", std::string(headers_max_bytes - 1, 'x')}};
  EXPECT_FALSE(unfit_message(said, 4));
  said.headers->front().name += "h";
  EXPECT_EQ(refusal_of(unfit_message(said, 4)), errc::invalid);
}

TEST(Intake, RefusesHeadersThatNoStoreTakes) {
  for (const auto& bad : {header{"a", "\xff"}, header{"\xff", "a"}, header{"a", std::string("\0", 1)}}) {
    content said("Hi, ");
    said.headers = std::vector<header>{bad};
    EXPECT_EQ(refusal_of(unfit_message(said, 4)), errc::invalid);
  }
}

TEST(Intake, RefusesWhatThereIsAStoreThatCannotTakeIt) {
  for (const auto& bad : {std::string("a\0b", 3), std::string("\xff"), std::string("\xc0\xaf"),
                          std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"), std::string("\xc3")})
    EXPECT_EQ(refusal_of(unfit_message(bad, 100)), errc::invalid);
}

TEST(Intake, AReasonIsMadeValidAndCutBetweenCharacters) {
  EXPECT_EQ(kept_reason(""), "no reason told");
  EXPECT_EQ(kept_reason(std::string("a\0b\xff", 4)),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd");
  std::string longer(reason_max_bytes - 1, 'x');
  EXPECT_EQ(kept_reason(longer + "\xc3\xa9"), longer);
}

/// What comes through no HTTP, as from a handler on the store.
class IntakeOfVerbs : public testing::Test {
 protected:
  static std::vector<std::string> small() { return {"broker.http.body_max_bytes=1124"}; }  // a hundred for the text
  tests::broker_world w_{small()};
};

TEST_F(IntakeOfVerbs, AcceptStoresNothingUnfit) {
  const auto accept = [&](const std::string& text) {
    return w_.world.run(w_.messages->accept(w_.messages->new_id(), text));
  };
  EXPECT_EQ(accept("Hi,\xff").error().code, errc::invalid);
  EXPECT_EQ(accept("Hi," + std::string(100, ' ')).error().code, errc::too_large);
  EXPECT_EQ(w_.disk->size(), 0U);
  EXPECT_TRUE(accept("Hi," + std::string(97, ' ')));
}

TEST_F(IntakeOfVerbs, AnUnfitAnswerCostsItsNeighboursNothing) {
  const auto first = w_.accept("Hi, "), second = w_.accept("Hi, ");
  std::vector<answer_request> batch;
  batch.push_back({first, 1, "Hi, \xff."});
  batch.push_back({second, 1, "Hi, X."});
  const auto results = w_.world.run(w_.messages->answer(std::move(batch)));
  EXPECT_EQ(results.at(0).error().code, errc::invalid);
  EXPECT_TRUE(results.at(1));
  EXPECT_EQ(w_.find(first)->revision, 1);
}

TEST_F(IntakeOfVerbs, AFailureIsToldWhateverItsReason) {
  const auto id = w_.accept("Hi, ");
  const auto granted = w_.world.run(w_.messages->claim({claim_request{{id, 1}}})).at(0).value();
  std::vector<failed_claim> failures(1);
  failures[0].what.ready = {id, 1};
  failures[0].what.claim = granted.claim;
  failures[0].reason = "\xff";
  EXPECT_TRUE(w_.world.run(w_.messages->fail(std::move(failures))).at(0));
  EXPECT_EQ(w_.find(id)->attempts.at(0).error, "\xef\xbf\xbd");
}

TEST_F(IntakeOfVerbs, AListOfAQueueThatCannotBeIsRefused) {
  EXPECT_EQ(w_.world.run(w_.messages->list({.queue = "\xff"})).error().code, errc::invalid);
}

}  // namespace
}  // namespace amc::broker
