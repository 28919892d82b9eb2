#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <iostream>

#include "core/log.hpp"
#include "tests/simulation/planted.hpp"
#include "tests/simulation/simulation.hpp"

namespace amc::simulation {
namespace {

struct asked {
  std::uint64_t first = 1;
  std::uint64_t seeds = 1'000;
  std::optional<std::uint64_t> one{};
  std::string plant{};
  std::string commit = "unknown";
  std::vector<std::string> without{};
  int messages = 0;
};

/// A seed's scenario, without what was left out to shrink it.
scenario plan_of(std::uint64_t seed, const asked& options) {
  auto plan = scenario_of(seed);
  for (const auto& name : options.without) leave_out(plan, name);
  if (options.messages > 0) plan.messages = options.messages;
  return plan;
}

verdict run(const scenario& plan, const asked& options, bool prints = false) {
  return simulate(plan, options.plant.empty() ? seams() : planted_bug_named(options.plant).plant(), prints);
}

/// Lines that the production code logs stand among the steps of the trace.
void redirect_log(bool prints) {
  log::redirect([prints](const log::line& l) {
    if (prints)
      std::printf("                        [%.*s] %.*s\n", static_cast<int>(l.component.size()), l.component.data(),
                  static_cast<int>(l.text.size()), l.text.data());
  });
}

int run_one(const asked& options) {
  const auto plan = plan_of(*options.one, options);
  std::cout << describe(plan) << std::endl;
  const auto became = run(plan, options, true);
  std::printf("seed %lu: %s; trace %016lx, %ld ms\n", plan.seed, became.failure.value_or("ok").c_str(), became.hash,
              became.took.count());
  return became.failure ? 1 : 0;
}

int run_many(const asked& options) {
  const auto begun = std::clock();
  int failed = 0;
  for (auto seed = options.first; seed < options.first + options.seeds; ++seed) {
    const auto became = run(plan_of(seed, options), options);
    if (!became.failure) continue;
    ++failed;
    std::cout << "seed " << seed << ", commit " << options.commit << ": " << *became.failure << std::endl;
  }
  const auto seconds = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
  std::printf("%lu seeds from %lu, %d failed, %.0f seeds a second of processor time\n", options.seeds, options.first,
              failed, static_cast<double>(options.seeds) / seconds);
  return failed == 0 ? 0 : 1;
}

/// How many seeds it takes until each planted bug is found, as a table.
int run_planted(const asked& options) {
  bool all_found = true;
  std::cout << "| planted bug | what it does | seeds until it was found | found as |\n|---|---|---|---|" << std::endl;
  for (const auto& bug : planted_bugs()) {
    auto seed = options.first;
    std::optional<std::string> found;
    for (; !found && seed < options.first + options.seeds; ++seed)
      found = simulate(plan_of(seed, options), bug.plant(), false).failure;
    all_found = all_found && found;
    std::cout << "| " << bug.name << " | " << bug.what << " | "
              << (found ? std::to_string(seed - options.first) : "**not found**") << " | " << found.value_or("") << " |"
              << std::endl;
  }
  return all_found ? 0 : 1;
}

}  // namespace
}  // namespace amc::simulation

int main(int argc, char** argv) {
  using namespace amc::simulation;
  asked options;
  bool planted = false;
  CLI::App app(
      "The production logic on a simulated store, queue engine, network and clock: one seed decides everything");
  app.add_option("--first", options.first, "the first seed");
  app.add_option("--seeds", options.seeds, "how many seeds");
  app.add_option("--one", options.one, "one seed, with everything that happens");
  app.add_option("--plant", options.plant, "with this bug");
  app.add_flag("--planted", planted, "how many seeds it takes to find each planted bug");
  app.add_option("--commit", options.commit, "to be told with a failure");
  app.add_option("--without", options.without, "without these faults");
  app.add_option("--messages", options.messages, "so many messages");
  CLI11_PARSE(app, argc, argv);
  redirect_log(options.one.has_value());
  if (options.one) return run_one(options);
  return planted ? run_planted(options) : run_many(options);
}
