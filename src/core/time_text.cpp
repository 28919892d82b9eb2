#include "core/time_text.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace amc {

namespace {

using namespace std::chrono;

constexpr timestamp earliest = sys_days(year(0) / 1 / 1);
constexpr timestamp latest = sys_days(year(10'000) / 1 / 1) - milliseconds(1);

void append_digits(std::string& to, std::int64_t number, int digits) {
  for (std::int64_t unit = digits == 4 ? 1'000 : digits == 3 ? 100 : 10; unit > 0; unit /= 10)
    to += static_cast<char>('0' + number / unit % 10);
}

}  // namespace

std::string to_rfc3339(timestamp time) {
  time = std::clamp(time, earliest, latest);
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  std::string text;
  text.reserve(24);
  const auto part = [&](std::int64_t number, int digits, char end) {
    append_digits(text, number, digits);
    text += end;
  };
  part(static_cast<int>(date.year()), 4, '-');
  part(static_cast<unsigned>(date.month()), 2, '-');
  part(static_cast<unsigned>(date.day()), 2, 'T');
  part(clock.hours().count(), 2, ':');
  part(clock.minutes().count(), 2, ':');
  part(clock.seconds().count(), 2, '.');
  part(clock.subseconds().count(), 3, 'Z');
  return text;
}

namespace {

/// Reads digits and single characters off the front of a text.
class scanner {
 public:
  explicit scanner(std::string_view text) : rest_(text) {}

  int number(std::size_t digits) {
    int value = 0;
    const auto part = rest_.substr(0, digits);
    const auto [end, failed] = std::from_chars(part.data(), part.data() + part.size(), value);
    const bool whole = part.size() == digits && failed == std::errc() && end == part.data() + digits && part[0] != '-';
    good_ = good_ && whole;
    rest_.remove_prefix(part.size());
    return value;
  }
  char one_of(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_[0]) == std::string_view::npos) {
      good_ = false;
      return '\0';
    }
    const char found = rest_[0];
    rest_.remove_prefix(1);
    return found;
  }
  /// ".123456" → 123; 0 without a fraction.
  int fraction_ms() {
    if (rest_.empty() || rest_[0] != '.') return 0;
    rest_.remove_prefix(1);
    int value = 0, digits = 0;
    for (; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; rest_.remove_prefix(1))
      if (digits++ < 3) value = 10 * value + (rest_[0] - '0');
    good_ = good_ && digits > 0;
    for (; digits < 3; ++digits) value *= 10;
    return value;
  }
  bool good() const { return good_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::optional<timestamp> parse_rfc3339(std::string_view text) {
  scanner in(text);
  const int year_part = in.number(4);
  in.one_of("-");
  const auto month_part = static_cast<unsigned>(in.number(2));
  in.one_of("-");
  const auto day_part = static_cast<unsigned>(in.number(2));
  in.one_of("Tt");
  const int hour_part = in.number(2);
  in.one_of(":");
  const int minute_part = in.number(2);
  in.one_of(":");
  const int second_part = in.number(2);
  const int ms = in.fraction_ms();
  const char zone = in.one_of("Zz+-");
  int hours_off = 0, minutes_off = 0;
  if (zone == '+' || zone == '-') {
    hours_off = in.number(2);
    in.one_of(":");
    minutes_off = in.number(2);
  }
  const year_month_day date{year(year_part), month(month_part), day(day_part)};
  const bool in_range = hour_part < 24 && minute_part < 60 && second_part < 61 && hours_off < 24 && minutes_off < 60;
  if (!in.good() || !in.at_end() || !date.ok() || !in_range) return {};
  const auto offset = (zone == '-' ? -1 : 1) * (hours(hours_off) + minutes(minutes_off));
  const sys_seconds whole = sys_days(date) + hours(hour_part) + minutes(minute_part) + seconds(second_part) - offset;
  const bool month_begins = whole == floor<days>(whole) && year_month_day(floor<days>(whole)).day() == day(1);
  if (second_part == 60 && !month_begins) return {};
  // The leap second is the last of its month: all of it is the moment after.
  const timestamp time = whole + milliseconds(second_part == 60 ? 0 : ms);
  if (time < earliest || time > latest) return {};
  return time;
}

std::string in_words(milliseconds time) {
  const auto ms = std::max<std::int64_t>(0, time.count());
  constexpr std::int64_t second = 1'000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
  if (ms < second) return std::to_string(ms) + " ms";
  if (ms < 2 * minute) return std::to_string(ms / second) + " s";
  if (ms < 2 * hour) return std::to_string(ms / minute) + " min";
  if (ms < 2 * day) return std::to_string(ms / hour) + " h";
  return std::to_string(ms / day) + " days";
}

std::string clock_time(timestamp time, timestamp now) {
  const auto text = to_rfc3339(time);
  const auto date = text.substr(0, 10), clock = text.substr(11, 8) + " UTC";
  return text.starts_with(to_rfc3339(now).substr(0, 10)) ? clock : date + " " + clock;
}

}  // namespace amc
