#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/engine_place.hpp"
#include "tests/support/process.hpp"
#include "tests/support/tcp_proxy.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_server.hpp"

namespace amc::chaos {

/// A port that is free now. Below those that the system gives to clients: one of these could take it, or connect to
/// itself, while its process is away.
std::uint16_t fixed_port();

/// Texts carry a token: "Hi TOKEN, " instead of "Hi, ".
extern const char* const routes_with_tokens;

/// A server and the proxy through which processes reach it.
struct proxied_server {
  proxied_server(std::string engine, std::uint64_t seed);
  /// A URL, or HOST:PORT.
  std::string address() const;

  const std::string name;
  tests::tcp_proxy proxy;
  tests::test_server server;
};

/// Brokers and services as processes over PostgreSQL, and one of several queue engines.
class cluster {
 public:
  struct options {
    std::uint64_t seed = 0;
    std::vector<std::string> engines{"rabbitmq", "rabbitmq"};  ///< a server of each
    bool own_postgresql = true;                                ///< otherwise `sets` name the store
    int brokers = 2, services_a = 3, services_b = 2;
    std::vector<std::string> sets{};  ///< added to every process's configuration
  };
  /// A place for a process. On the embedded engine a broker is `amc all`, and there are no services.
  struct member {
    std::string what;
    std::string name;
    std::uint16_t port = 0;  ///< a broker's own, or the broker's that a service talks to
    std::unique_ptr<tests::process> process{};
    bool is_broker() const { return what == "broker"; }
  };
  /// Instead of a server's place in `engines`; and an engine that `sets` name.
  static constexpr std::size_t embedded = 99, named_by_sets = 98;

  explicit cluster(const options& how);
  ~cluster();
  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;

  void start(member& which);
  void start_brokers();
  void start_services();
  /// Ends it with SIGTERM or SIGKILL, and waits until it has ended.
  void end(member& which, int signal);
  void wait_for_brokers();

  std::size_t home() const { return home_; }
  /// What processes that start from now on are configured with.
  void set_home(std::size_t engine) { home_ = engine; }
  void wipe(std::size_t engine) const;

  std::vector<std::uint16_t> ports() const;
  /// Throws `violation` when one has ended that nobody has ended.
  void expect_all_run();
  /// Connections that the proxies have cut.
  int cuts() const;
  /// Keeps the log of each process that runs; returns the folder.
  std::string save_logs() const;

  std::vector<member> members{};
  std::unique_ptr<proxied_server> postgresql{};
  std::vector<std::unique_ptr<proxied_server>> engines{};

 private:
  std::vector<std::string> configuration(const member& of) const;

  options how_;
  tests::temporary_folder folder_;
  std::vector<std::unique_ptr<tests::engine_place>> places_;  ///< at each of the engines
  std::size_t home_ = 0;
};

}  // namespace amc::chaos
