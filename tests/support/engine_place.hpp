#pragma once

#include <string>
#include <vector>

namespace amc::tests {

/// Whether this build has a queue engine: one whose library was absent is left out.
bool is_built_in(const std::string& engine);

/// Room for the queues of one test at a queue engine's server (AMC_TEST_NATS_URL, …, unless a URL is given): they share
/// a prefix of their own, and are deleted at the end. Shares no code with the drivers. Throws where there is no server:
/// run the tests through `make test`, or scripts/with-test-servers.
class engine_place {
 public:
  explicit engine_place(std::string engine, std::string url = "");
  ~engine_place();
  engine_place(const engine_place&) = delete;
  engine_place& operator=(const engine_place&) = delete;

  const std::string& url() const { return url_; }
  const std::string& prefix() const { return prefix_; }
  /// What makes a process use it: "queue_system.platform=nats", …
  std::vector<std::string> sets() const;

  /// Deletes all its queues with what is in them, as an operator would.
  void wipe() const;

 private:
  std::string engine_;
  std::string url_;
  std::string prefix_;
};

/// Sends `bytes` to the server of a URL and returns what it answers up to and with `end`.
std::string asked(const std::string& url, const std::string& bytes, const std::string& end);

}  // namespace amc::tests
