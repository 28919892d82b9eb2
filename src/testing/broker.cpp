#include "amc/testing.hpp"
#include "app/broker_server.hpp"
#include "app/processes.hpp"
#include "core/loop.hpp"
#include "core/temporary_folder.hpp"
#include "message_store/sqlite/sqlite.hpp"
#include "telemetry/configuration.hpp"
#include "testing/moving_clock.hpp"

namespace amc::testing {
namespace {

config settings_from(std::vector<std::string> sets, const std::string& file, std::uint16_t port) {
  config_sources sources;
  sources.folder.clear();
  sources.sets = {"broker.http.port=" + std::to_string(port)};
  sources.sets.insert(sources.sets.end(), sets.begin(), sets.end());
  sources.sets.push_back("broker.store.engine=sqlite");
  sources.sets.push_back("broker.store.sqlite.path=" + file);
  return load_config(app::providers(), sources);
}

}  // namespace

struct broker::parts {
  explicit parts(std::vector<std::string> given) : sets(std::move(given)) { start(0); }
  ~parts() { stop(); }

  void start(std::uint16_t port) {
    const auto settings = settings_from(sets, folder.path() + "/amc.db", port);
    on = std::make_unique<loop>("broker");
    env = on->env();
    clock = std::make_shared<moving_clock>(env);
    clock->advance(ahead);
    env.timers = clock;
    env.wall_clock = [clock = clock] { return clock->wall_clock(); };
    message_store::sqlite_options file{folder.path() + "/amc.db", env.wall_clock};
    if (settings.boolean("broker.history")) file.past_max_bytes = settings.size("broker.history_max_bytes");
    auto base = app::make_foundation(env, settings, message_store::open_sqlite(std::move(file)));
    base.engine_is_heard = !base.platform->capabilities().in_process;
    traces = std::make_unique<telemetry::traces>(settings, env.metrics);
    base.traces = traces->of("amc-broker");
    on->run([&] {
      server = std::make_unique<app::broker_server>(env, base, settings);
      server->run();
    });
    url = server->url();
  }

  void stop() {
    if (server) on->run(server->stop());
    on->run([&] { server.reset(); });
    traces.reset();
    clock.reset();
    env = {};
    on.reset();
  }

  temporary_folder folder{"amc-testing"};
  std::vector<std::string> sets;
  std::unique_ptr<loop> on;
  environment env;
  std::shared_ptr<moving_clock> clock;
  milliseconds ahead{};
  std::unique_ptr<telemetry::traces> traces;
  std::unique_ptr<app::broker_server> server;
  std::string url;
};

broker::broker(std::vector<std::string> sets) : parts_(std::make_unique<parts>(std::move(sets))) {}

broker::~broker() = default;

std::string broker::url() const {
  return parts_->url;
}

void broker::advance(milliseconds by) {
  parts_->ahead += by;
  parts_->on->run([&] { parts_->clock->advance(by); });
}

void broker::restart() {
  const auto port = std::stoi(parts_->url.substr(parts_->url.rfind(':') + 1));
  parts_->stop();
  parts_->start(static_cast<std::uint16_t>(port));
}

}  // namespace amc::testing
