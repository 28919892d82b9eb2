#include "tests/support/kafka.hpp"

#include <librdkafka/rdkafka.h>

#include <cstdlib>
#include <stdexcept>

#include "queue_system/kafka/client.hpp"
#include "tests/support/configured.hpp"
#include "tests/support/unique_name.hpp"

namespace amc::tests {
namespace {

const std::vector<std::string>& known_queues() {
  static const std::vector<std::string> all{"q", "r", "topic-a", "topic-b", "nobody-has-heard-of-this"};
  return all;
}

/// A client that shares no code with the driver.
class admin {
 public:
  explicit admin(const std::string& brokers) {
    auto* how = rd_kafka_conf_new();
    char why[256] = "";
    rd_kafka_conf_set(how, "bootstrap.servers", brokers.c_str(), why, sizeof why);
    rd_kafka_conf_set_log_cb(how, nullptr);
    handle = rd_kafka_new(RD_KAFKA_PRODUCER, how, why, sizeof why);
    if (!handle) throw std::runtime_error(why);
    answers = rd_kafka_queue_new(handle);
  }
  ~admin() {
    rd_kafka_queue_destroy(answers);
    rd_kafka_destroy(handle);
  }
  admin(const admin&) = delete;
  admin& operator=(const admin&) = delete;

  void await() const {
    constexpr int patience_ms = 30'000;
    auto* answer = rd_kafka_queue_poll(answers, patience_ms);
    if (!answer) throw std::runtime_error("no Kafka answers");
    const std::string failed = rd_kafka_event_error(answer) ? rd_kafka_event_error_string(answer) : "";
    rd_kafka_event_destroy(answer);
    if (!failed.empty()) throw std::runtime_error("Kafka: " + failed);
  }

  rd_kafka_t* handle;
  rd_kafka_queue_t* answers;
};

}  // namespace

std::string why_no_kafka() {
  if (std::getenv("AMC_TEST_KAFKA_BROKERS")) return "";
  return "AMC_TEST_KAFKA_BROKERS names no server; scripts/test-server kafka needs java and mvn";
}

kafka_queues::kafka_queues()
    : kafka_queues(why_no_kafka().empty() ? std::getenv("AMC_TEST_KAFKA_BROKERS") : "127.0.0.1:1") {}

kafka_queues::kafka_queues(std::string brokers) : brokers_(std::move(brokers)) {
  prefix_ = "test-" + unique_name('-') + "-";
}

kafka_queues::~kafka_queues() {
  if (!why_no_kafka().empty()) return;
  try {
    remove(known_queues());
  } catch (const std::exception&) {
    // the server may be gone already
  }
}

queue_system::kafka_options kafka_queues::options() const {
  auto options = queue_system::kafka_options_from(configured());
  options.brokers = brokers_;
  options.prefix = prefix_;
  options.partitions = 1;
  return options;
}

void kafka_queues::remove(const std::vector<std::string>& queues) const {
  std::vector<std::string> names;
  for (const auto& queue : queues) names.push_back(prefix_ + queue);
  delete_topics(brokers_, names);
}

void delete_topics(const std::string& brokers, const std::vector<std::string>& queues) {
  const admin link(brokers);
  for (const auto& queue : queues) {
    auto* gone = rd_kafka_DeleteTopic_new(queue_system::kafka::topic_name(queue).c_str());
    rd_kafka_DeleteTopics(link.handle, &gone, 1, nullptr, link.answers);
    rd_kafka_DeleteTopic_destroy(gone);
    link.await();
  }
}

void kafka_queues::make_other(const std::string& queue, int partitions, const std::string& cleanup_policy) const {
  const admin link(brokers_);
  char why[256] = "";
  auto* made =
      rd_kafka_NewTopic_new(queue_system::kafka::topic_name(prefix_ + queue).c_str(), partitions, 1, why, sizeof why);
  rd_kafka_NewTopic_set_config(made, "cleanup.policy", cleanup_policy.c_str());
  rd_kafka_CreateTopics(link.handle, &made, 1, nullptr, link.answers);
  rd_kafka_NewTopic_destroy(made);
  link.await();
}

void kafka_queues::deny(const std::string& user, const std::string& right) const {
  const admin link(brokers_);
  char why[256] = "";
  const auto rule = [&](rd_kafka_ResourceType_t of, rd_kafka_AclOperation_t what, rd_kafka_AclPermissionType_t how) {
    auto* made = rd_kafka_AclBinding_new(of, prefix_.c_str(), RD_KAFKA_RESOURCE_PATTERN_PREFIXED,
                                         ("User:" + user).c_str(), "*", what, how, why, sizeof why);
    if (!made) throw std::runtime_error(why);
    rd_kafka_CreateAcls(link.handle, &made, 1, nullptr, link.answers);
    rd_kafka_AclBinding_destroy(made);
    link.await();
  };
  // Where there is any rule, what none permits is denied.
  rule(RD_KAFKA_RESOURCE_TOPIC, RD_KAFKA_ACL_OPERATION_ALL, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW);
  rule(RD_KAFKA_RESOURCE_GROUP, RD_KAFKA_ACL_OPERATION_ALL, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW);
  const auto operation = right == "write"    ? RD_KAFKA_ACL_OPERATION_WRITE
                         : right == "create" ? RD_KAFKA_ACL_OPERATION_CREATE
                                             : RD_KAFKA_ACL_OPERATION_READ;
  rule(right == "group" ? RD_KAFKA_RESOURCE_GROUP : RD_KAFKA_RESOURCE_TOPIC, operation,
       RD_KAFKA_ACL_PERMISSION_TYPE_DENY);
}

}  // namespace amc::tests
