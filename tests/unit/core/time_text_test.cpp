#include "core/time_text.hpp"

#include <gtest/gtest.h>

namespace amc {
namespace {

using namespace std::chrono;

TEST(TimeText, ReadsWhatItWrites) {
  for (const std::int64_t ms :
       {0LL, 1LL, 999LL, 1'000LL, 1'790'000'000'045LL, 32'503'680'000'000LL, -1LL, -86'400'000LL})
    EXPECT_EQ(parse_rfc3339(to_rfc3339(timestamp(milliseconds(ms)))), timestamp(milliseconds(ms)));
}

TEST(TimeText, EveryDayOfTheCalendarIsReadAsItIsWritten) {
  for (sys_days day = year(0) / 1 / 1; day < sys_days(year(10'000) / 1 / 1); day += days(1)) {
    const year_month_day date(day);
    char expected[40];
    snprintf(expected, sizeof expected, "%04d-%02u-%02uT00:00:00.000Z", static_cast<int>(date.year()),
             static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
    ASSERT_EQ(to_rfc3339(day), expected);
    ASSERT_EQ(parse_rfc3339(expected), timestamp(day));
  }
}

TEST(TimeText, WritesTheTimeOfDay) {
  const timestamp day = sys_days(year(2026) / 11 / 24);
  EXPECT_EQ(to_rfc3339(day + hours(6) + minutes(19) + seconds(33) + milliseconds(45)), "2026-11-24T06:19:33.045Z");
  EXPECT_EQ(to_rfc3339(day + hours(24) - milliseconds(1)), "2026-11-24T23:59:59.999Z");
}

TEST(TimeText, AlwaysWritesFourDigitsOfAYear) {
  const timestamp last = sys_days(year(10'000) / 1 / 1);
  EXPECT_EQ(to_rfc3339(last - milliseconds(1)), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339(last), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339(timestamp::max()), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339(sys_days(year(0) / 1 / 1) - milliseconds(1)), "0000-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(timestamp::min()), "0000-01-01T00:00:00.000Z");
}

TEST(TimeText, KnowsOffsetsAndFractions) {
  const auto noon = parse_rfc3339("2026-11-24T12:00:00Z").value();
  EXPECT_EQ(parse_rfc3339("2026-11-24T13:30:00+01:30"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-24T04:00:00-08:00"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-24T12:00:00-00:00"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-25T11:59:00+23:59"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-23T12:01:00-23:59"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-24t12:00:00z"), noon);
  EXPECT_FALSE(parse_rfc3339("2026-11-24 12:00:00Z")) << "with a T, as docs/http-api.md says";
  EXPECT_EQ(parse_rfc3339("2026-11-24T12:00:00.5Z"), noon + milliseconds(500));
  EXPECT_EQ(parse_rfc3339("2026-11-24T12:00:00.123999Z"), noon + milliseconds(123));
  EXPECT_EQ(parse_rfc3339("2026-11-24T12:00:00." + std::string(500, '9') + "Z"), noon + milliseconds(999));
}

TEST(TimeText, KnowsEveryOffset) {
  for (int h = 0; h < 100; ++h)
    for (int m = 0; m < 100; ++m)
      for (const char sign : {'+', '-'}) {
        char text[40];
        snprintf(text, sizeof text, "2026-11-24T12:00:00%c%02d:%02d", sign, h, m);
        const auto read = parse_rfc3339(text);
        ASSERT_EQ(read.has_value(), h < 24 && m < 60) << text;
        if (read) {
          ASSERT_EQ(*read, timestamp(sys_days(year(2026) / 11 / 24) + hours(12)) -
                               (sign == '+' ? 1 : -1) * (hours(h) + minutes(m)));
        }
      }
}

TEST(TimeText, KnowsWhichDaysThereAre) {
  for (int y : {0, 1, 1900, 2000, 2023, 2024, 2100, 9999})
    for (int m = 0; m < 100; ++m)
      for (int d = 0; d < 100; ++d) {
        char text[40];
        snprintf(text, sizeof text, "%04d-%02d-%02dT12:00:00Z", y, m, d);
        const bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        const int lengths[] = {31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        const bool expected = m >= 1 && m <= 12 && d >= 1 && d <= lengths[m - 1];
        ASSERT_EQ(parse_rfc3339(text).has_value(), expected) << text;
      }
}

TEST(TimeText, ALeapSecondIsTheLastOfAMonth) {
  const timestamp next_year = sys_days(year(2017) / 1 / 1);
  for (const auto* text :
       {"2016-12-31T23:59:60Z", "2016-12-31T23:59:60.999Z", "2017-01-01T00:59:60+01:00", "2016-12-31T15:59:60-08:00"})
    EXPECT_EQ(parse_rfc3339(text), next_year) << text;
  for (const auto* text : {"2016-12-31T23:58:60Z", "2016-12-30T23:59:60Z", "2016-12-31T22:59:60Z",
                           "2016-12-31T23:59:60+01:00", "2016-12-31T23:59:61Z", "9999-12-31T23:59:60Z"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
}

TEST(TimeText, AnOffsetDoesNotLeadOutOfTheYearsThatCanBeWritten) {
  EXPECT_TRUE(parse_rfc3339("0000-01-01T00:00:00Z"));
  EXPECT_TRUE(parse_rfc3339("0000-01-01T00:01:00+00:01"));
  EXPECT_TRUE(parse_rfc3339("9999-12-31T23:59:59.999Z"));
  EXPECT_FALSE(parse_rfc3339("0000-01-01T00:00:00+00:01"));
  EXPECT_FALSE(parse_rfc3339("9999-12-31T23:59:59-00:01"));
}

TEST(TimeText, RefusesEverythingElse) {
  for (const auto* text : {"",
                           "now",
                           "2026-11-24",
                           "2026-11-24T12:00:00",
                           "2026-02-30T12:00:00Z",
                           "2026-11-24T24:00:00Z",
                           "2026-11-24T12:60:00Z",
                           "2026-11-24T12:00:00.Z",
                           "2026-11-24T12:00:00,5Z",
                           "2026-11-24T12:00:00+25:00",
                           "2026-11-24T12:00:00+24:00",
                           "2026-11-24T12:00:00+00:99",
                           "2026-11-24T12:00:00+0100",
                           "2026-11-24T12:00:00+01",
                           "2026-11-24T12:00:00+1:00",
                           "2026-11-24T12:00:00+-1:00",
                           "2026-11-24T12:00:00Z ",
                           " 2026-11-24T12:00:00Z",
                           "2026-11-24 12:00:00Z",
                           "2026-11-24_12:00:00Z",
                           "2026-11-24T12:00Z",
                           "20261124T120000Z",
                           "-026-11-24T12:00:00Z",
                           "+026-11-24T12:00:00Z",
                           "12026-11-24T12:00:00Z",
                           "226-11-24T12:00:00Z",
                           "2026-W48-2T12:00:00Z",
                           "2026-11-24T12:00:00Zz"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  EXPECT_FALSE(parse_rfc3339(std::string_view("2026-11-24T12:00:00Z\0", 21)));
}

}  // namespace
}  // namespace amc
