#include <CLI/CLI.hpp>
#include <filesystem>
#include <future>
#include <set>

#include "access/configuration.hpp"
#include "amc/service.hpp"
#include "core/log.hpp"
#include "core/patience.hpp"
#include "core/program.hpp"
#include "core/standard_streams.hpp"
#include "core/text.hpp"
#include "service/configuration.hpp"
#include "service/running.hpp"
#include "telemetry/configuration.hpp"

namespace amc {
namespace {

std::vector<config_provider> providers() {
  return {startup_provider(), log::provider(), access::provider(), service::provider(), telemetry::provider()};
}

/// A folder may be for brokers, too.
config read_settings(config_sources sources) {
  sources.others = {"broker", "queue_system"};
  auto settings = load_config(providers(), sources);
  log::configure(settings);
  for (const auto& warning : settings.warnings()) log::warning("config", warning);
  return settings;
}

bool is_name(const std::string& name) {
  constexpr std::size_t max_bytes = 100;
  return !name.empty() && name.size() <= max_bytes && is_valid_utf8(name) && !has_control(name);
}

/// What is wrong with the program itself. Throws config_error.
void check(const std::vector<service_definition>& services) {
  if (services.empty()) throw config_error("there is no service to run; give at least one");
  std::set<std::string> names, queues;
  for (const auto& one : services) {
    if (!is_name(one.name))
      throw config_error("a service is called " + repeated(one.name) +
                         "; a name is 1 to 100 bytes of UTF-8 without control characters");
    if (!is_queue_name(one.queue))
      throw config_error(one.name + ": its queue is called " + repeated(one.queue) +
                         "; a queue's name is 1 to 100 characters of A-Z a-z 0-9 . _ -");
    if (!one.handler) throw config_error(one.name + ": has no handler");
    if (!names.insert(one.name).second) throw config_error("two services are called " + repeated(one.name));
    if (!queues.insert(one.queue).second)
      throw config_error("two services take messages from " + one.queue +
                         "; one can work on several at once (consumer_services.concurrency)");
  }
}

/// The services of one process, each on its own threads, all of them told by one loop.
class team {
 public:
  team(const config& settings, std::vector<service_definition> services) : settings_(settings) {
    const auto together = std::make_shared<service::company>();
    const auto worker = service::new_worker_name(loop_.env());
    const auto url = settings_.text("consumer_services.broker_client.url");
    broker_ = service::caller_for(loop_.env(), settings_, url, settings_.size("consumer_services.in_hand_max_bytes"));
    const auto timeout = settings_.duration("consumer_services.broker_client.timeout_ms");
    for (auto& one : services) {
      auto options = service::runtime_options_from(settings_, one);
      options.company = together;
      options.traces = traces_.of(one.name);
      const auto make = [&](boost::asio::any_io_executor handlers) {
        return std::make_unique<service::service_runtime>(
            loop_.env(), one, service::make_http_broker_client(broker_, timeout),
            service::receiving_from(settings_, worker), std::move(handlers), options);
      };
      running_.push_back(
          std::make_unique<service::running_service>(loop_, one.handler, one.blocking, options.concurrency, make));
    }
  }

  loop& on() { return loop_; }

  /// All at once, each within this time. False where handlers still run.
  bool stop(milliseconds longest) {
    std::vector<std::future<bool>> ends;
    ends.reserve(running_.size());
    for (auto& one : running_)
      ends.push_back(std::async(std::launch::async, [&one, longest] { return one->stop(longest); }));
    bool finished = true;
    for (auto& end : ends) finished = end.get() && finished;
    if (finished) running_.clear();
    traces_.stop();
    return finished;
  }

 private:
  config settings_;
  loop loop_{"services"};
  telemetry::traces traces_{settings_, loop_.env().metrics};
  std::shared_ptr<http::caller> broker_;
  std::vector<std::unique_ptr<service::running_service>> running_;
};

void wait_for_broker(stop_request& stop, const config& settings) {
  loop asking("asking");
  const auto url = settings.text("consumer_services.broker_client.url");
  const auto calls = service::caller_for(asking.env(), settings, url, 0);
  service::wait_for_broker(stop, asking, settings, *calls);
}

int run(const config& settings, std::vector<service_definition> services) {
  check(services);
  stop_request stop;
  try {
    wait_for_broker(stop, settings);
    team all(settings, std::move(services));
    const service::running_numbers shown(all.on(), settings);
    const int exit_code = stop.wait();
    service::end_or_exit(all.stop(settings.duration("consumer_services.drain_timeout_ms")), exit_code);
    return exit_code;
  } catch (const stop_request::requested& meanwhile) {
    return meanwhile.exit_code;
  }
}

std::string help_of_keys() {
  std::string told = "\nConfiguration keys, with their defaults (--set KEY=VALUE):\n";
  for (const auto& provider : providers())
    for (const auto& key : keys_of(provider))
      told += "  " + key.path + "=" + key.default_yaml + "\n      " + key.help + "\n";
  return told;
}

}  // namespace

int serve(int argc, char** argv, std::vector<service_definition> services) {
  program::prepare();
  const auto name = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : std::string("amc service");
  config_sources sources;
  sources.environment = program::environment_variables();
  CLI::App app("Services that take messages from an AMC broker", name);
  app.footer(help_of_keys());
  app.add_option("--config", sources.folder, "folder with *.global.yaml and *.local.yaml files")
      ->default_str(sources.folder);
  app.add_option("--set", sources.sets, "set a configuration key: KEY=VALUE (may be repeated)")
      ->expected(1)
      ->allow_extra_args(false)  // what follows is an id or a queue
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  program::hide_secrets(argc, argv, providers());
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::CallForHelp&) {
    return program::reporting(name, [&] { return print(app.help()), 0; });
  } catch (const CLI::ParseError& failed) {
    log::last_words(name, std::string(failed.what()) + "; " + name + " --help");
    return program::exit_wrong_usage;
  }
  sources.folder_required = app.count("--config") > 0;
  return program::reporting(name, [&] { return run(read_settings(std::move(sources)), std::move(services)); });
}

// ---- in a process with a main of its own ----

struct serving::parts {
  std::unique_ptr<team> all;
};

serving::serving(std::vector<service_definition> services, std::vector<std::string> sets)
    : parts_(std::make_unique<parts>()) {
  config_sources sources;
  sources.folder.clear();
  sources.sets = std::move(sets);
  const auto settings = read_settings(std::move(sources));
  check(services);
  parts_->all = std::make_unique<team>(settings, std::move(services));
}

serving::~serving() {
  stop(milliseconds(1'000));
}

bool serving::stop(milliseconds longest) {
  if (!parts_->all) return true;
  if (parts_->all->stop(longest)) {
    parts_->all.reset();
    return true;
  }
  // not covered: what is left to a thread for ever is a leak to whoever looks for leaks
  log::warning("amc", "handlers do not end; what they need is left to them");
  static_cast<void>(parts_->all.release());
  return false;
}

}  // namespace amc
