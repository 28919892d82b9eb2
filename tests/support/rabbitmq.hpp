#pragma once

#include <string>
#include <vector>

#include "queue_system/rabbitmq/rabbitmq.hpp"

namespace amc::tests {

/// Queues of one test on the test server (AMC_TEST_RABBITMQ_URL): they share a prefix of their own, and are deleted at
/// the end. Throws where there is no server: run the tests through `make test`, or scripts/with-test-servers.
class rabbitmq_queues {
 public:
  rabbitmq_queues();
  explicit rabbitmq_queues(std::string url);
  ~rabbitmq_queues();
  rabbitmq_queues(const rabbitmq_queues&) = delete;
  rabbitmq_queues& operator=(const rabbitmq_queues&) = delete;

  /// With short time-outs; the URL and the prefix are set.
  queue_system::rabbitmq_options options() const;
  const std::string& prefix() const { return prefix_; }
  const std::string& url() const { return url_; }

  /// Deletes queues, as an operator would.
  void remove(const std::vector<std::string>& queues) const;
  /// Whether the first event in a queue has been given to somebody and come back. Takes it out.
  bool first_was_delivered_before(const std::string& queue) const;
  /// Makes a queue with arguments of its own, as somebody else would.
  void make_other(const std::string& queue) const;

 private:
  std::string url_;
  std::string prefix_;
};

/// Deletes queues by their names at the server, as an operator would.
void delete_rabbitmq_queues(const std::string& url, const std::vector<std::string>& names);

}  // namespace amc::tests
