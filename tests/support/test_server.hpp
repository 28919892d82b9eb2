#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.hpp"
#include "tests/support/temporary_folder.hpp"

namespace amc::tests {

/// A PostgreSQL, PgBouncer, RabbitMQ, NATS or Redis server of one test's own, to be killed, frozen and restarted; its
/// data and its port stay the same over a restart. scripts/test-server runs it.
class test_server {
 public:
  /// `arguments` are more for scripts/test-server.
  explicit test_server(std::string engine, std::vector<std::string> arguments = {});
  ~test_server();
  test_server(const test_server&) = delete;
  test_server& operator=(const test_server&) = delete;

  std::string url() const { return told("url"); }
  /// Any other line that scripts/test-server prints when the server is ready.
  std::string told(const std::string& name) const;
  std::uint16_t port() const;

  void stop();
  void kill();  ///< as a power loss would
  void start();
  /// RabbitMQ only: the share of the memory above which it takes nothing to publish.
  void set_memory_watermark(const std::string& share) const;
  /// RabbitMQ only: a user with the password "weak", made at the first call, and what it may do with which names
  /// (regular expressions).
  void set_rights_of_weak(const std::string& configure, const std::string& write, const std::string& read) const;
  void freeze() const;
  void thaw() const;

 private:
  void signal(int number) const;
  void evaluate(const std::string& erlang) const;

  std::string engine_;
  std::vector<std::string> arguments_;
  temporary_folder folder_;
  std::string port_;
  std::string lines_;
  std::unique_ptr<process> script_;
};

}  // namespace amc::tests
