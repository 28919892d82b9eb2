#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace amc::chaos {

/// Servers that work together, as scripts/test-cluster starts them, and what can be done to one of them. They end with
/// the thread that has made this, however that ends. A write to a script that has ended must not end this process
/// (SIGPIPE).
class server_cluster {
 public:
  /// `apart`: each member has a network of its own, and can be cut off.
  server_cluster(std::string engine, bool apart);
  ~server_cluster();
  server_cluster(const server_cluster&) = delete;
  server_cluster& operator=(const server_cluster&) = delete;

  /// What makes a process use it.
  std::vector<std::string> sets() const;
  /// A command of scripts/test-cluster, "kill 2"; returns when it is done. Throws when it fails, or takes minutes.
  void tell(const std::string& command);

 private:
  void end() noexcept;
  void wait_for(const std::function<bool(const std::string& told)>& enough);
  std::runtime_error broken() const;

  std::string engine_;
  int commands_ = -1;
  std::size_t told_ = 0;
  std::unique_ptr<tests::process> script_;
};

/// Before any thread is started: gives this process, and those that it starts, a network of their own, with nothing in
/// it but the loopback interface. Returns whether that is permitted.
bool have_own_network();

}  // namespace amc::chaos
