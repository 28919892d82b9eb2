#pragma once

#include <string>
#include <vector>

#include "queue_system/kafka/kafka.hpp"

namespace amc::tests {

/// Queues of one test on the test server (AMC_TEST_KAFKA_BROKERS): they share a prefix of their own, and are deleted at
/// the end.
class kafka_queues {
 public:
  kafka_queues();
  explicit kafka_queues(std::string brokers);
  ~kafka_queues();
  kafka_queues(const kafka_queues&) = delete;
  kafka_queues& operator=(const kafka_queues&) = delete;

  /// With short time-outs, and one partition; the brokers and the prefix are set.
  queue_system::kafka_options options() const;
  const std::string& brokers() const { return brokers_; }
  const std::string& prefix() const { return prefix_; }

  /// Deletes queues, as an operator would.
  void remove(const std::vector<std::string>& queues) const;
  /// Makes a topic with other settings, as somebody else would.
  void make_other(const std::string& queue, int partitions, const std::string& cleanup_policy) const;
  /// Takes a right from a user of the test server: to "write", "read" or "create" topics, or "group" to read groups.
  void deny(const std::string& user, const std::string& right) const;

 private:
  std::string brokers_;
  std::string prefix_;
};

/// Deletes the topics of queues, the prefix among their names, as an operator would.
void delete_topics(const std::string& brokers, const std::vector<std::string>& queues);

/// Why tests that need the test server are skipped; empty where it is there.
std::string why_no_kafka();

}  // namespace amc::tests
