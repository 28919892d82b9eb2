#include "core/time_text.hpp"

#include <charconv>
#include <ctime>

namespace amc {

std::string to_rfc3339(timestamp time) {
  const auto since_epoch = time.time_since_epoch().count();
  const auto seconds =
      static_cast<std::time_t>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char whole[40];
  const auto size = std::strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S.", &parts);
  const auto fraction = std::to_string(1'000 + (since_epoch % 1'000 + 1'000) % 1'000);
  return std::string(whole, size) + fraction.substr(1) + "Z";
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
  using namespace std::chrono;
  scanner in(text);
  const int year_part = in.number(4);
  in.one_of("-");
  const auto month_part = static_cast<unsigned>(in.number(2));
  in.one_of("-");
  const auto day_part = static_cast<unsigned>(in.number(2));
  in.one_of("Tt ");
  const int hour_part = in.number(2);
  in.one_of(":");
  const int minute_part = in.number(2);
  in.one_of(":");
  const int second_part = in.number(2);
  const int ms = in.fraction_ms();
  const char zone = in.one_of("Zz+-");
  minutes offset{};
  if (zone == '+' || zone == '-') {
    const int hours_off = in.number(2);
    in.one_of(":");
    offset = hours(hours_off) + minutes(in.number(2));
    if (zone == '-') offset = -offset;
  }
  const year_month_day date{year(year_part), month(month_part), day(day_part)};
  const bool in_range = hour_part < 24 && minute_part < 60 && second_part < 61 && abs(offset) < hours(24);
  if (!in.good() || !in.at_end() || !date.ok() || !in_range) return {};
  return sys_days(date) + hours(hour_part) + minutes(minute_part) + seconds(second_part) + milliseconds(ms) - offset;
}

}  // namespace amc
