#include "tests/chaos/cluster.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <random>

#include "tests/chaos/api.hpp"
#include "tests/support/binary.hpp"

namespace amc::chaos {
namespace {

bool is_free(std::uint16_t port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(descriptor);
  return bound;
}

/// Kafka's clients go where it says that it is, which has to be the proxy.
std::vector<std::string> arguments_of(const std::string& engine, std::uint16_t proxy) {
  if (engine != "kafka") return {};
  return {"--conf", "advertised.listeners=PLAINTEXT://127.0.0.1:" + std::to_string(proxy) + ",SASL_SSL://localhost:1"};
}

}  // namespace

const char* const routes_with_tokens =
    "broker.routes=[{match: '^Hi [^ ,]+,$', queue: topic-a}, {match: '^Hi [^ ,]+, [^ ]+\\.$', queue: topic-b}, "
    "{match: '^Hi [^ ,]+, .+\\. Bye!$', done: true}]";

std::uint16_t fixed_port() {
  static std::random_device random;
  for (;;) {
    const auto port = static_cast<std::uint16_t>(std::uniform_int_distribution<int>(10'000, 19'999)(random));
    if (is_free(port)) return port;
  }
}

proxied_server::proxied_server(std::string engine, std::uint64_t seed)
    : name(std::move(engine)), proxy(0, seed), server(name, arguments_of(name, proxy.port())) {
  proxy.set_target(server.port());
}

std::string proxied_server::address() const {
  auto url = server.told(name == "kafka" ? "brokers" : "url");
  const auto own = ":" + std::to_string(server.port());
  return url.replace(url.rfind(own), own.size(), ":" + std::to_string(proxy.port()));
}

cluster::cluster(const options& how) : how_(how) {
  const auto start_server = [&](const std::string& engine, std::uint64_t number) {
    return std::async(std::launch::async,
                      [engine, seed = how_.seed + number] { return std::make_unique<proxied_server>(engine, seed); });
  };
  std::future<std::unique_ptr<proxied_server>> store;
  if (how_.own_postgresql) store = start_server("postgresql", 0);
  std::vector<std::future<std::unique_ptr<proxied_server>>> starting;
  for (const auto& engine : how_.engines) starting.push_back(start_server(engine, starting.size() + 1));
  if (how_.own_postgresql) postgresql = store.get();
  for (auto& each : starting) {
    engines.push_back(each.get());
    places_.push_back(std::make_unique<tests::engine_place>(engines.back()->name, engines.back()->address()));
  }
  std::vector<std::uint16_t> brokers;
  for (int i = 1; i <= how_.brokers; ++i) {
    brokers.push_back(fixed_port());
    members.push_back({"broker", "broker " + std::to_string(i), brokers.back(), nullptr});
  }
  const auto add = [&](const std::string& what, int count) {
    for (int i = 1; i <= count; ++i)
      members.push_back({what, what + " " + std::to_string(i), brokers[static_cast<std::size_t>(i) % brokers.size()]});
  };
  add("service-a", how_.services_a);
  add("service-b", how_.services_b);
}

cluster::~cluster() {
  members.clear();  // before the servers: nobody has to wait for them
}

std::vector<std::string> cluster::configuration(const member& of) const {
  std::vector<std::string> sets{routes_with_tokens};
  if (postgresql)
    sets.insert(sets.end(), {"broker.store.engine=postgresql", "broker.store.postgresql.url=" + postgresql->address()});
  if (home_ == embedded) {
    sets.push_back("queue_system.platform=embedded");
  } else if (home_ != named_by_sets) {
    const auto& engine = engines[home_]->name;
    for (const auto& set : places_[home_]->impatient_sets()) sets.push_back(set);
    sets.push_back("queue_system." + engine + ".answer_timeout_ms=2000");
  }
  sets.push_back(of.is_broker() ? "broker.http.port=" + std::to_string(of.port)
                                : "consumer_services.broker_client.url=http://127.0.0.1:" + std::to_string(of.port));
  sets.insert(sets.end(), how_.sets.begin(), how_.sets.end());
  return sets;
}

void cluster::start(member& which) {
  if (home_ == embedded && !which.is_broker()) return;
  const auto what = home_ == embedded ? "all" : which.what;
  auto how = tests::amc_command(folder_.path, {what}, configuration(which));
  how.dies_by = SIGKILL;
  which.process = std::make_unique<tests::process>(std::move(how));
}

void cluster::start_brokers() {
  for (auto& each : members)
    if (each.is_broker()) start(each);
}

void cluster::start_services() {
  for (auto& each : members)
    if (!each.is_broker()) start(each);
}

void cluster::end(member& which, int signal) {
  if (!which.process) return;
  which.process->signal(signal);
  const int code = which.process->wait();
  if (signal == SIGTERM && code != 0)
    throw violation(which.name + " ended with " + std::to_string(code) + ": " + which.process->errors());
  which.process.reset();
}

void cluster::wait_for_brokers() {
  for (auto& each : members)
    if (each.is_broker()) tests::port_of(*each.process);
}

void cluster::wipe(std::size_t engine) const {
  places_[engine]->wipe();
}

std::vector<std::uint16_t> cluster::ports() const {
  std::vector<std::uint16_t> all;
  for (const auto& each : members)
    if (each.is_broker()) all.push_back(each.port);
  return all;
}

void cluster::expect_all_run() {
  for (auto& each : members)
    if (each.process && !each.process->running())
      throw violation(each.name + " has ended by itself, with " + std::to_string(each.process->wait()) + ": " +
                      each.process->errors());
}

int cluster::cuts() const {
  int all = postgresql ? postgresql->proxy.cuts() : 0;
  for (const auto& each : engines) all += each->proxy.cuts();
  return all;
}

std::string cluster::save_logs() const {
  const auto folder = std::filesystem::absolute("chaos-logs");
  std::filesystem::create_directories(folder);
  for (const auto& each : members)
    if (each.process) std::ofstream(folder / (each.name + ".log")) << each.process->errors();
  return folder.string();
}

}  // namespace amc::chaos
