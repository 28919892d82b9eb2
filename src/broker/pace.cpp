#include "broker/pace.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace amc::broker {
namespace {

/// Fewer claims than this, counted as if they had come one by one, say nothing.
constexpr double taken_min = 3;

/// Variance over mean, of what was counted in parts of the same length.
double dispersion_of(std::span<const double> counts) {
  if (counts.size() < 2) return 1;
  const auto n = static_cast<double>(counts.size());
  const auto mean = std::accumulate(counts.begin(), counts.end(), 0.0) / n;
  double squares = 0;
  for (const auto count : counts) squares += (count - mean) * (count - mean);
  return mean > 0 ? squares / (n - 1) / mean : 1;
}

/// In so many parts: what is uneven over a longer time does not show in single seconds.
std::vector<double> in_parts(std::span<const double> counts, std::size_t parts) {
  std::vector<double> sums;
  const auto length = counts.size() / parts;
  for (std::size_t i = 0; i < parts && length > 0; ++i) {
    const auto part = counts.subspan(i * length, length);
    sums.push_back(std::accumulate(part.begin(), part.end(), 0.0));
  }
  return sums;
}

}  // namespace

std::optional<pace> pace_of(std::span<const double> taken_in_each_second) {
  constexpr std::size_t parts = 8;
  pace at;
  at.seconds = static_cast<double>(taken_in_each_second.size());
  at.taken = std::accumulate(taken_in_each_second.begin(), taken_in_each_second.end(), 0.0);
  at.dispersion =
      std::max({1.0, dispersion_of(taken_in_each_second), dispersion_of(in_parts(taken_in_each_second, parts))});
  if (at.taken / at.dispersion < taken_min) return {};
  return at;
}

std::optional<time_range> time_until_taken(std::size_t before, const pace& at) {
  // Both what was seen and what is to come are counts of chance, each uncertain by its own root; and the pace itself
  // does not stay as it is.
  constexpr double drift = 0.01, deviations = 2, uncertain_max = 1;
  const auto to_come = static_cast<double>(before) + 1;
  const auto seen = std::max(1.0, at.taken / at.dispersion);
  const auto uncertain = std::sqrt(drift + 1 / seen + 1 / std::max(1.0, to_come / at.dispersion));
  if (uncertain > uncertain_max) return {};
  const auto likely = to_come / at.per_second() * 1'000;
  constexpr double longest_ms = 1e12;  // what is later than that nobody can say
  if (!(likely < longest_ms)) return {};
  const auto in_ms = [](double ms) { return milliseconds(std::llround(ms)); };
  const auto factor = std::exp(deviations * uncertain);
  return time_range{in_ms(likely / factor), in_ms(likely), in_ms(likely * factor)};
}

}  // namespace amc::broker
