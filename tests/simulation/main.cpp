#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "core/log.hpp"
#include "tests/simulation/simulation.hpp"

using namespace amc::simulation;

int main(int argc, char** argv) {
  CLI::App app("The production logic on a simulated store, queue, network and clock");
  std::uint64_t first = 1, count = 1'000;
  std::optional<std::uint64_t> one;
  app.add_option("--first", first, "the first seed");
  app.add_option("--seeds", count, "how many seeds");
  app.add_option("--one", one, "one seed, with everything that happens");
  CLI11_PARSE(app, argc, argv);
  const seams none;
  amc::log::redirect([&](const amc::log::line& l) {
    if (one)
      std::printf("                        [%.*s] %.*s\n", static_cast<int>(l.component.size()), l.component.data(),
                  static_cast<int>(l.text.size()), l.text.data());
  });
  if (one) {
    std::printf("%s\n", describe(scenario_of(*one)).c_str());
    const auto became = simulate(scenario_of(*one), none, true);
    std::printf("seed %lu hash %016lx took %ld ms %s\n", *one, became.hash, became.took.count(),
                became.failure.value_or("ok").c_str());
    return became.failure ? 1 : 0;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const auto begun = std::chrono::steady_clock::now();
  int failed = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const auto became = simulate(scenario_of(seed), none, false);
    if (became.failure) {
      ++failed;
      std::printf("seed %lu: %s\n", seed, became.failure->c_str());
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::printf("%lu seeds, %d failed, %.0f seeds/s\n", count, failed, static_cast<double>(count) / seconds);
  return failed == 0 ? 0 : 1;
}
