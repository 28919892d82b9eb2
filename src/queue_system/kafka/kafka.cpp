#include "queue_system/kafka/kafka.hpp"

#include "core/log.hpp"
#include "queue_system/kafka/client.hpp"
#include "queue_system/kafka/parts.hpp"

namespace amc::queue_system {
namespace {

using kafka::client;
using kafka::partition_list;

/// Asks for more acknowledgements than there can be: a server looks at the user's rights first, and refuses that
/// afterwards. So nothing is published.
void prove_the_right_to_write(const kafka_options& options, const std::string& topic) {
  client link(options, "2");
  rd_kafka_producev(link.handle(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_END);
  const auto told = link.answer(RD_KAFKA_EVENT_DR);
  const auto code = rd_kafka_event_message_next(told.get())->err;
  if (code != RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS) link.check(code, "writing to topic \"" + topic + "\"");
}

/// Commits for a partition that there cannot be: likewise.
void prove_the_right_to_read(const kafka_options& options, const std::string& topic) {
  client link(options, topic);
  partition_list list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), INT32_MAX)->offset = 0;
  link.check(rd_kafka_commit_queue(link.handle(), list.get(), link.queue(), nullptr, nullptr), "committing");
  rd_kafka_resp_err_t code{};
  try {
    code = rd_kafka_event_error(link.answer(RD_KAFKA_EVENT_OFFSET_COMMIT).get());
  } catch (const unavailable& failed) {  // not covered: takes a server that tells nobody where such a group is
    if (failed.why() != unavailable::reason::refused) throw;
    // Already where the group is looked for, which is told without its name.
    throw unavailable(failed.why(), failed.what() + (" read group \"" + topic + "\""));
  }
  if (!kafka::is_gone(code)) link.check(code, "reading topic \"" + topic + "\" as a group of the same name");
}

class kafka_platform : public platform {
 public:
  explicit kafka_platform(kafka_options options) : options_(std::move(options)) {}

  amc::capabilities capabilities() const override {
    return {.gives_back = false, .keeps_order = options_.partitions == 1};
  }

  void check(std::span<const std::string> published, std::span<const std::string> received) override {
    client link(options_);
    const auto made = [&](const std::string& queue) {
      auto topic = kafka::topic_name(options_.prefix + queue);
      const int count = link.make(topic);
      if (count != options_.partitions)
        log::warning("kafka", "topic \"" + topic + "\" has " + std::to_string(count) + " partitions, and not the " +
                                  std::to_string(options_.partitions) +
                                  " of queue_system.kafka.partitions; it is used as it is");
      return topic;
    };
    for (const auto& queue : published) prove_the_right_to_write(options_, made(queue));
    for (const auto& queue : received) prove_the_right_to_read(options_, made(queue));
  }

  std::unique_ptr<queue_publisher> make_publisher() override { return kafka::make_publisher(options_); }

  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) override {
    return kafka::make_subscriber(options_, queue, prefetch);
  }

 private:
  kafka_options options_;
};

}  // namespace

std::shared_ptr<platform> make_kafka(kafka_options options) {
  kafka::check_properties(options);
  return std::make_shared<kafka_platform>(std::move(options));
}

}  // namespace amc::queue_system
