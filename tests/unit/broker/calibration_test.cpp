#include <gmock/gmock.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <queue>
#include <random>

#include "broker/activity.hpp"
#include "tests/support/set_clock.hpp"

/// Whether the time that is told to somebody who waits is the time that it takes: backlogs of many kinds are worked off
/// in virtual time, and each estimate is held against what came after it.
namespace amc::broker {
namespace {

using random = std::mt19937_64;

struct backlog {
  const char* name;
  int services = 1;
  std::size_t batch = 1;                 ///< messages that a service claims at once, and works on one after the other
  std::function<double(random&)> works;  ///< seconds on one message
  std::function<std::vector<double>(random&)> arrives;  ///< times of posting, in seconds
  double leaves_at = 0;                                 ///< then half of the services go; 0: never
};

std::vector<double> all_at_once(int count) {
  return std::vector<double>(static_cast<std::size_t>(count), 1.0);
}

std::vector<double> by_chance(random& chance, double per_second, double seconds) {
  std::exponential_distribution<double> gap(per_second);
  std::vector<double> times;
  for (double at = gap(chance); at < seconds; at += gap(chance)) times.push_back(at);
  return times;
}

/// Much for a while, and little for a while.
std::vector<double> in_waves(random& chance, double per_second, double seconds) {
  std::vector<double> times;
  for (const double at : by_chance(chance, 2 * per_second, seconds))
    if (static_cast<int>(at / 30) % 2 == 0 || chance() % 4 == 0) times.push_back(at);
  return times;
}

std::function<double(random&)> about(double seconds) {
  return [seconds](random& chance) { return std::exponential_distribution<double>(1 / seconds)(chance); };
}
std::function<double(random&)> always(double seconds) {
  return [seconds](random&) { return seconds; };
}
/// Most are quick, and some take fifty times as long.
std::function<double(random&)> mostly(double seconds) {
  return [seconds](random& chance) { return seconds * std::lognormal_distribution<double>(0, 1.3)(chance); };
}

const std::vector<backlog>& backlogs() {
  static const std::vector<backlog> all{
      {"a burst on three services", 3, 1, about(0.075), [](random&) { return all_at_once(2'000); }},
      {"a burst, each takes the same", 4, 1, always(0.1), [](random&) { return all_at_once(1'500); }},
      {"a burst, of very different work", 4, 1, mostly(0.1), [](random&) { return all_at_once(2'000); }},
      {"batches of twenty", 3, 20, about(0.05), [](random&) { return all_at_once(4'000); }},
      {"slow work", 2, 1, about(10), [](random&) { return all_at_once(200); }},
      {"slow work, each takes the same", 1, 1, always(30), [](random&) { return all_at_once(60); }},
      {"a little more than can be done", 5, 1, about(0.1), [](random& chance) { return by_chance(chance, 60, 300); }},
      {"nearly as much as can be done", 2, 1, about(0.05), [](random& chance) { return by_chance(chance, 36, 600); }},
      {"waves", 4, 5, about(0.1), [](random& chance) { return in_waves(chance, 36, 600); }},
      {"a burst, and half of the services go", 4, 1, about(0.1), [](random&) { return all_at_once(3'000); }, 20},
  };
  return all;
}

struct measured {
  std::vector<double> widths{};  ///< of each range, by the time in its middle
  std::size_t inside = 0, asked = 0;
};

class run {
 public:
  run(const backlog& of, std::uint64_t seed, bool two_brokers) : of_(of), two_brokers_(two_brokers), chance_(seed) {}

  measured measure() {
    for (int i = 0; i < of_.services; ++i) free_.push(0.0);
    const auto arrivals = of_.arrives(chance_);
    double next_question = 1;
    std::size_t arrived = 0;
    while (arrived < arrivals.size() || !waiting_.empty()) {
      const double next_arrival = arrived < arrivals.size() ? arrivals[arrived] : 1e12;
      const double next_claim = waiting_.empty() ? 1e12 : std::max(free_.top(), now_);
      go_to(std::min({next_arrival, next_claim, next_question}));
      if (now_ == next_arrival)
        waiting_.push_back({arrived++, now_});
      else if (now_ == next_claim)
        claim();
      else
        next_question += ask();
    }
    return of_all_;
  }

 private:
  struct posted {
    std::size_t number;
    double at;
  };
  struct told {
    double at;
    time_range range;
  };

  void go_to(double time) {
    for (; two_brokers_ && next_telling_ <= time; next_telling_ += 5) {
      clock_->set(milliseconds(std::llround(next_telling_ * 1'000)));
      for (auto& news : other_.received_here()) {
        news.from = "other";
        seen_.heard(news);
      }
    }
    now_ = time;
    clock_->set(milliseconds(std::llround(time * 1'000)));
  }
  static timestamp store_time(double time) {
    return timestamp(milliseconds(1'700'000'000'000 + std::llround(time * 1'000)));
  }
  message row_of(const posted& p) const {
    message m;
    m.queue = "q";
    m.created_at = store_time(p.at);
    m.updated_at = store_time(now_);
    return m;
  }

  void claim() {
    free_.pop();
    double busy = 0;
    const bool elsewhere = two_brokers_ && chance_() % 3 == 0;
    if (elsewhere) seen_.changed_elsewhere("other");
    for (std::size_t i = 0; i < of_.batch && !waiting_.empty(); ++i) {
      auto m = row_of(waiting_.front());
      m.unanswered = 1;
      (elsewhere ? other_ : seen_).claimed(m);
      settle(waiting_.front().number);
      waiting_.pop_front();
      busy += of_.works(chance_);
    }
    const bool some_leave = of_.leaves_at > 0 && now_ >= of_.leaves_at;
    if (some_leave && static_cast<int>(free_.size()) >= of_.services / 2) return;  // it goes
    free_.push(now_ + busy);
  }

  /// Somebody who waits asks how long. When the next one does.
  double ask() {
    if (!waiting_.empty()) {
      const auto before = chance_() % waiting_.size();
      const auto& who = waiting_[before];
      const auto at = seen_.pace_before(row_of(who), store_time(now_));
      const auto range = at ? time_until_taken(before, *at) : std::nullopt;
      if (range) told_[who.number].push_back({now_, *range});
    }
    return std::uniform_real_distribution<double>(0.1, 2)(chance_);
  }

  void settle(std::size_t number) {
    for (const auto& t : told_[number]) {
      const auto took = milliseconds(std::llround((now_ - t.at) * 1'000));
      ++of_all_.asked;
      of_all_.inside += t.range.low <= took && took <= t.range.high;
      const auto low = static_cast<double>(t.range.low.count()), high = static_cast<double>(t.range.high.count());
      of_all_.widths.push_back((high - low) / static_cast<double>(t.range.likely.count()));
    }
    told_.erase(number);
  }

  const backlog& of_;
  bool two_brokers_;
  random chance_;
  std::shared_ptr<tests::set_clock> clock_ = std::make_shared<tests::set_clock>();
  metrics numbers_, other_numbers_;
  activity seen_{clock_, numbers_, {1, 1, 1, 0}}, other_{clock_, other_numbers_, {1, 1, 1, 0}};
  double next_telling_ = 5;
  double now_ = 0;
  std::deque<posted> waiting_;
  std::priority_queue<double, std::vector<double>, std::greater<>> free_;
  std::map<std::size_t, std::vector<told>> told_;
  measured of_all_;
};

measured of_many_runs(const backlog& of, bool two_brokers) {
  measured all;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto one = run(of, seed, two_brokers).measure();
    all.asked += one.asked;
    all.inside += one.inside;
    all.widths.insert(all.widths.end(), one.widths.begin(), one.widths.end());
  }
  return all;
}

void expect_calibrated(bool two_brokers) {
  std::vector<double> widths;
  double inside = 0;
  for (const auto& of : backlogs()) {
    const auto told = of_many_runs(of, two_brokers);
    ASSERT_GE(told.asked, 100U) << of.name << ": there is hardly an estimate";
    const auto part = static_cast<double>(told.inside) / static_cast<double>(told.asked);
    inside += part / static_cast<double>(backlogs().size());
    if (of.leaves_at == 0) {
      EXPECT_GE(part, 0.9) << of.name << ": " << told.inside << " of " << told.asked;
    }
    widths.insert(widths.end(), told.widths.begin(), told.widths.end());
  }
  EXPECT_GE(inside, 0.9) << "each kind of backlog counts the same";
  const auto middle = widths.begin() + static_cast<std::ptrdiff_t>(widths.size() / 2);
  std::nth_element(widths.begin(), middle, widths.end());
  EXPECT_LE(*middle, 2.0) << "in likely times";
}

TEST(Calibration, NineOfTenTimesAreInsideTheRangeAndTheRangeIsNotWide) {
  expect_calibrated(false);
}

TEST(Calibration, SoItIsWhereTwoBrokersTellEachOther) {
  expect_calibrated(true);
}

}  // namespace
}  // namespace amc::broker
