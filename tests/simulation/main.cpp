#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>

#include "core/log.hpp"
#include "tests/simulation/planted.hpp"
#include "tests/simulation/shrinking.hpp"
#include "tests/simulation/simulation.hpp"

namespace amc::simulation {
namespace {

struct asked {
  std::uint64_t first = 1;
  std::uint64_t seeds = 1'000;
  std::optional<std::uint64_t> one{};
  std::string plant{};
  std::string commit = "unknown";
  std::string seeds_file{};
  std::vector<std::string> planted{};
  bool hashes = false;
  reduction less{};
};

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
  const auto plan = reduced(*options.one, options.less);
  std::cout << describe(plan) << std::endl;
  const auto became = run(plan, options, true);
  std::printf("seed %lu: %s; trace %016lx, %ld ms\n", plan.seed, became.failure.value_or("ok").c_str(), became.hash,
              became.took.count());
  return became.failure ? 1 : 0;
}

/// The command line that shows the same failure with less around it.
int shrink_one(const asked& options) {
  const auto less = shrink(*options.one, [&](const scenario& plan) { return run(plan, options).failure.has_value(); });
  std::cout << "--one " << *options.one;
  if (!options.plant.empty()) std::cout << " --plant " << options.plant;
  if (less.messages > 0) std::cout << " --messages " << less.messages;
  for (const auto& name : less.without) std::cout << " --without " << name;
  const auto became = run(reduced(*options.one, less), options);
  std::cout << "\n" << describe(reduced(*options.one, less)) << "\n" << became.failure.value_or("ok") << std::endl;
  return became.failure ? 0 : 1;
}

/// Seeds, one on a line; the rest of a line is for people.
std::vector<std::uint64_t> seeds_in(const std::string& path) {
  std::vector<std::uint64_t> seeds;
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + " cannot be read");
  for (std::string line; std::getline(file, line);) {
    std::uint64_t seed = 0;
    if (std::istringstream(line) >> seed) seeds.push_back(seed);
  }
  return seeds;
}

int run_many(const asked& options) {
  auto seeds = options.seeds_file.empty() ? std::vector<std::uint64_t>() : seeds_in(options.seeds_file);
  for (std::uint64_t i = 0; i < options.seeds; ++i) seeds.push_back(options.first + i);
  const auto begun = std::clock();
  int failed = 0;
  for (const auto seed : seeds) {
    const auto became = run(reduced(seed, options.less), options);
    if (options.hashes) std::printf("%lu %016lx\n", seed, became.hash);
    if (!became.failure) continue;
    ++failed;
    std::cout << "seed " << seed << ", commit " << options.commit << ": " << *became.failure << std::endl;
  }
  const auto seconds = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
  if (!options.hashes)
    std::printf("%zu seeds, the last ones from %lu: %d failed; %.0f seeds a second of processor time\n", seeds.size(),
                options.first, failed, static_cast<double>(seeds.size()) / seconds);
  return failed == 0 ? 0 : 1;
}

/// The beginning of what was found, for a table.
std::string shortened(const std::optional<std::string>& found) {
  constexpr std::size_t width = 90;
  const auto text = found.value_or("");
  return text.size() <= width ? text : text.substr(0, text.rfind(' ', width)) + " …";
}

/// The bugs with these names; all of them when there are none.
std::vector<planted_bug> bugs_named(const std::vector<std::string>& names) {
  std::vector<planted_bug> bugs;
  for (const auto& name : names)
    if (!name.empty()) bugs.push_back(planted_bug_named(name));
  return bugs.empty() ? planted_bugs() : bugs;
}

/// How many seeds it takes until each planted bug is found, as a table.
int run_planted(const asked& options) {
  bool all_found = true;
  std::cout << "| planted bug | what it does | seeds until it was found | found as |\n|---|---|---|---|" << std::endl;
  for (const auto& bug : bugs_named(options.planted)) {
    auto seed = options.first;
    std::optional<std::string> found;
    for (; !found && seed < options.first + options.seeds; ++seed)
      found = simulate(reduced(seed, options.less), bug.plant(), false).failure;
    all_found = all_found && found;
    std::cout << "| " << bug.name << " | " << bug.what << " | "
              << (found ? std::to_string(seed - options.first) : "**not found**") << " | " << shortened(found) << " |"
              << std::endl;
  }
  return all_found ? 0 : 1;
}

}  // namespace
}  // namespace amc::simulation

int main(int argc, char** argv) {
  using namespace amc::simulation;
  asked options;
  bool shrinks = false;
  CLI::App app(
      "The production logic on a simulated store, queue engine, network and clock: one seed decides everything");
  app.add_option("--first", options.first, "the first seed");
  app.add_option("--seeds", options.seeds, "how many seeds");
  app.add_option("--seeds-in", options.seeds_file, "a file of seeds to run before those");
  app.add_option("--one", options.one, "one seed, with everything that happens");
  app.add_flag("--shrink", shrinks, "with --one: leave out what it needs not to fail");
  app.add_option("--without", options.less.without, "without these faults");
  app.add_option("--messages", options.less.messages, "so many messages");
  app.add_option("--plant", options.plant, "with this bug");
  auto* planted = app.add_option("--planted", options.planted, "how many seeds it takes to find these planted bugs")
                      ->expected(0, -1);
  app.add_flag("--hashes", options.hashes, "the trace's hash of each seed");
  app.add_option("--commit", options.commit, "to be told with a failure");
  CLI11_PARSE(app, argc, argv);
  try {
    redirect_log(options.one && !shrinks);
    if (options.one) return shrinks ? shrink_one(options) : run_one(options);
    return planted->count() > 0 ? run_planted(options) : run_many(options);
  } catch (const std::exception& wrong) {
    std::cerr << wrong.what() << std::endl;
    return 2;
  }
}
