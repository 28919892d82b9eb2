#include "core/time_text.hpp"

#include <gtest/gtest.h>

namespace amc {
namespace {

TEST(TimeText, ReadsWhatItWrites) {
  for (const std::int64_t ms : {0LL, 1LL, 999LL, 1'000LL, 1'790'000'000'045LL, 32'503'680'000'000LL})
    EXPECT_EQ(parse_rfc3339(to_rfc3339(timestamp(milliseconds(ms)))), timestamp(milliseconds(ms)));
}

TEST(TimeText, KnowsOffsetsAndFractions) {
  const auto noon = parse_rfc3339("2026-11-24T12:00:00Z").value();
  EXPECT_EQ(parse_rfc3339("2026-11-24T13:30:00+01:30"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-24T04:00:00-08:00"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-24t12:00:00z"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-24T12:00:00.5Z"), noon + milliseconds(500));
  EXPECT_EQ(parse_rfc3339("2026-11-24T12:00:00.123999Z"), noon + milliseconds(123));
}

TEST(TimeText, RefusesEverythingElse) {
  for (const auto* text : {"", "now", "2026-11-24", "2026-11-24T12:00:00", "2026-02-30T12:00:00Z",
                           "2026-11-24T24:00:00Z", "2026-11-24T12:60:00Z", "2026-11-24T12:00:00.Z",
                           "2026-11-24T12:00:00+25:00", "2026-11-24T12:00:00Z ", "-026-11-24T12:00:00Z"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
}

}  // namespace
}  // namespace amc
