#pragma once

#include <functional>
#include <string>
#include <vector>

namespace amc::tests {

/// A queue engine with a server, as tests know it: where that is, and how somebody who knows nothing of the driver
/// deletes its queues.
struct served_engine {
  std::string name;         ///< as in queue_system.platform, and as scripts/test-server knows it
  std::string key = "url";  ///< queue_system.NAME.KEY says where the server is; so does AMC_TEST_NAME_KEY
  std::function<void(const std::string& server, const std::string& prefix, const std::vector<std::string>& queues)>
      wipe{};                            ///< all that begins with the prefix, or these at least
  std::vector<std::string> impatient{};  ///< queue_system.NAME.…: what a killed process held comes again soon
  bool is_everywhere = true;  ///< its server is a package of Debian; tests of another one are skipped where it is not
};

/// Those that this build has.
const std::vector<served_engine>& served_engines();
/// Their names, in the order in which they came.
std::vector<std::string> served_engine_names();

/// Whether this build has a queue engine: one whose library was absent is left out.
bool is_built_in(const std::string& engine);

/// Why there is no server of an engine, where there need not be one; empty: there is.
std::string why_no_server(const std::string& engine);

/// Whether somebody has named its server.
bool has_server(const std::string& engine);

/// Room for the queues of one test at a queue engine's server (AMC_TEST_NATS_URL, …, unless one is given): they share a
/// prefix, of their own unless one is given, and are deleted at the end. Shares no code with the drivers. Throws where
/// there is no server: run the tests through `make test`, or scripts/with-test-servers.
class engine_place {
 public:
  explicit engine_place(const std::string& engine, std::string server = "", std::string prefix = "");
  ~engine_place();
  engine_place(const engine_place&) = delete;
  engine_place& operator=(const engine_place&) = delete;

  /// A URL, or HOST:PORT.
  const std::string& url() const { return server_; }
  const std::string& prefix() const { return prefix_; }
  /// "queue_system.nats.url=nats://…"
  std::string server_set() const;
  /// What makes a process use it: "queue_system.platform=nats", …
  std::vector<std::string> sets() const;

  /// The same, for tests whose processes die.
  std::vector<std::string> impatient_sets() const;

  /// Deletes all its queues with what is in them, as an operator would; where an engine has to be told which, those
  /// that tests usually have, and `more`.
  void wipe(const std::vector<std::string>& more = {}) const;

 private:
  const served_engine* engine_;
  std::string server_;
  std::string prefix_;
};

/// Sends `bytes` to the server of a URL and returns what it answers up to and with `end`.
std::string asked(const std::string& url, const std::string& bytes, const std::string& end);

}  // namespace amc::tests
