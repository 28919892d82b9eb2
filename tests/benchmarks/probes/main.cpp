#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <iostream>
#include <map>

#include "tests/benchmarks/probes/probe.hpp"
#include "tests/support/temporary_folder.hpp"

namespace amc::benchmarks {
namespace {

namespace json = boost::json;

struct options {
  std::size_t count = 20'000;
  std::size_t batch = 64;
  std::size_t connections = 256;
  std::size_t postgresql_connections = 2;  ///< as a broker by default
  std::size_t rounds = 5;
  bool only_engines = false;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// Operations a second of one side, round by round.
struct rates {
  std::vector<double> raw, driver;
};

json::object report(const std::string& name, const rates& of) {
  json::object told{{"name", name}, {"driver_per_s", std::round(median(of.driver))}};
  if (of.raw.empty()) return told;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < of.raw.size(); ++i) ratios.push_back(of.driver[i] / of.raw[i]);
  told["raw_per_s"] = std::round(median(of.raw));
  told["ratio"] = std::round(median(ratios) * 1'000) / 1'000;
  return told;
}

/// Raw and driver take turns, and the one that begins changes with each round: what the machine does meanwhile hits
/// both. Of probes that stand on one another, as a receive on its publish, each round runs all.
json::array run(const std::vector<probe>& probes, std::size_t count, std::size_t rounds) {
  std::map<std::string, rates> measured;
  for (std::size_t round = 0; round < rounds; ++round)
    for (const auto& [name, raw, driver] : probes) {
      auto& to = measured[name];
      const auto measure = [count](const timed& side, std::vector<double>& into) {
        if (side) into.push_back(static_cast<double>(count) / side());
      };
      if (round % 2 == 0) measure(raw, to.raw);
      measure(driver, to.driver);
      if (round % 2 == 1) measure(raw, to.raw);
    }
  json::array told;
  for (const auto& one : probes) told.push_back(report(one.name, measured[one.name]));
  return told;
}

json::object run_all(const options& asked) {
  const tests::temporary_folder folder;
  const amount work{asked.count, asked.batch};
  json::array all;
  const auto add = [&](const std::vector<probe>& probes, std::size_t count) {
    for (auto& told : run(probes, count, asked.rounds)) all.push_back(std::move(told));
  };
  const auto report_of = [&] {
    return json::object{{"count", asked.count},
                        {"batch", asked.batch},
                        {"connections", asked.connections},
                        {"rounds", asked.rounds},
                        {"probes", all}};
  };
  if (asked.only_engines) return add(engine_probes(work), work.count), report_of();
  const auto http_count = asked.count / asked.connections * asked.connections;
  add(http_probes(http_count, asked.connections), http_count);
  add(embedded_probes(work), work.count);
  add(sqlite_probes(folder.path, work), work.count);
  add(postgresql_probes(work, asked.postgresql_connections), work.count);
  add(rabbitmq_probes(work), work.count);
  return report_of();
}

}  // namespace
}  // namespace amc::benchmarks

int main(int argc, char** argv) {
  amc::benchmarks::options asked;
  CLI::App app(
      "Raw engine probes beside the drivers, as JSON. AMC_TEST_POSTGRESQL_URL and AMC_TEST_RABBITMQ_URL name the "
      "servers, TMPDIR where the SQLite files are.");
  app.add_option("--count", asked.count, "operations in a round")->capture_default_str();
  app.add_option("--batch", asked.batch, "operations in a batch")->capture_default_str();
  app.add_option("--connections", asked.connections, "of HTTP")->capture_default_str();
  app.add_option("--postgresql-connections", asked.postgresql_connections)->capture_default_str();
  app.add_option("--rounds", asked.rounds)->capture_default_str();
  app.add_flag("--only-engines", asked.only_engines, "the driver of each queue engine whose server is named");
  CLI11_PARSE(app, argc, argv);
  try {
    std::cout << boost::json::serialize(amc::benchmarks::run_all(asked)) << "\n";
  } catch (const std::exception& failed) {
    std::cerr << "amc_probes: " << failed.what() << "\n";
    return 1;
  }
  return 0;
}
