#include <algorithm>
#include <map>
#include <thread>

#include "queue_system/driver.hpp"
#include "queue_system/kafka/client.hpp"
#include "queue_system/kafka/handled_offsets.hpp"
#include "queue_system/kafka/parts.hpp"

namespace amc::queue_system::kafka {
namespace {

/// What has been published over one producer and not been reported yet. Where anything but a report ends its wait, it
/// is of no use any more.
class publishing {
 public:
  explicit publishing(const kafka_options& options) : link_(options) {}

  /// Publishes all of it and waits for the reports. Returns what is to be published again, over another producer: its
  /// topic has been deleted, or the producer has died, and what it had in hand may have been published or not.
  std::vector<outgoing> publish(std::span<const outgoing> batch) {
    for (const auto& out : batch) topic_of(out.queue);
    const deadline patience(link_.options().answer_timeout);
    for (const auto& out : batch) send(out, patience);
    while (unreported_ > 0) hear(patience);
    link_.check(failed_, "publishing to \"" + failed_queue_ + "\"");
    return again_;
  }

  /// From the first offset that nobody has handled to the end, less what has been handled in between. Safely too high
  /// while commits are on their way.
  std::size_t depth(const std::string& queue) {
    const auto& topic = topic_of(queue);
    const int count = link_.partitions(topic).value_or(0);
    if (count == 0) return topics_.erase(queue), depth(queue);
    const auto begins = offsets(topic, count, RD_KAFKA_OFFSET_BEGINNING);
    const auto kept = committed(topic, count);
    const auto ends = offsets(topic, count, RD_KAFKA_OFFSET_END);
    std::int64_t waiting = 0;
    for (int p = 0; p < count; ++p) {
      const auto& entry = kept->elems[p];
      const auto begin = begins->elems[p].offset, end = ends->elems[p].offset;
      // Events that were deleted wait no more; an offset beyond the end is of a topic before this one.
      const bool is_of_use = entry.offset >= begin && entry.offset <= end;
      const handled_offsets handled(is_of_use ? entry.offset : begin, is_of_use ? metadata_of(entry) : "");
      waiting += std::max<std::int64_t>(0, end - handled.low() - handled.count_above());
    }
    return static_cast<std::size_t>(waiting);
  }

  /// Hears what has happened since the last call.
  bool is_up() {
    try {
      while (link_.next(milliseconds(0)) || (reader_ && reader_->next(milliseconds(0)))) {
      }
      return again_.empty();
    } catch (const unavailable&) {
      return false;
    }
  }

 private:
  const std::string& topic_of(const std::string& queue) {
    auto found = topics_.find(queue);
    if (found == topics_.end()) {
      auto topic = topic_name(link_.options().prefix + queue);
      link_.make(topic);
      found = topics_.emplace(queue, std::move(topic)).first;
    }
    return found->second;
  }

  void send(const outgoing& out, const deadline& patience) {
    static constexpr std::string_view type = "application/cloudevents+json";
    const auto& topic = topics_.at(out.queue);
    for (;;) {
      const auto code =
          rd_kafka_producev(link_.handle(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                            RD_KAFKA_V_VALUE(const_cast<char*>(out.bytes.data()), out.bytes.size()),
                            RD_KAFKA_V_HEADER("content-type", type.data(), static_cast<ssize_t>(type.size())),
                            RD_KAFKA_V_OPAQUE(const_cast<outgoing*>(&out)), RD_KAFKA_V_END);
      if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        ++unreported_;
        if (code) note(code, out);
        return;
      }
      hear(patience);  // not covered: takes more events at once than librdkafka has room for (100,000)
    }
  }

  void hear(const deadline& patience) {
    if (patience.is_over())
      link_.fail(RD_KAFKA_RESP_ERR__TIMED_OUT,
                 std::to_string(unreported_) + " events were not confirmed: " + link_.no_answer());
    const auto what = link_.next(patience.left());
    if (!what || rd_kafka_event_type(what.get()) != RD_KAFKA_EVENT_DR) return;
    while (const auto* report = rd_kafka_event_message_next(what.get())) {
      const auto* out = static_cast<const outgoing*>(report->_private);
      if (report->err)
        note(report->err, *out);
      else
        --unreported_;
    }
  }

  /// One that was not published, as far as is known.
  void note(rd_kafka_resp_err_t code, const outgoing& out) {
    --unreported_;
    if (is_gone(code) || link_.death_of_producer()) {
      again_.push_back(out);
    } else if (!failed_) {
      failed_ = code;
      failed_queue_ = out.queue;
    }
  }

  /// Where each partition begins or ends.
  partition_list offsets(const std::string& topic, int count, std::int64_t which) {
    const auto longest = static_cast<int>(link_.options().answer_timeout.count());
    for (const deadline patience(link_.options().answer_timeout);;) {
      auto list = all_of(topic, count, which);
      auto failed = rd_kafka_offsets_for_times(link_.handle(), list.get(), longest);
      for (const auto& entry : entries_of(list.get()))
        if (!failed) failed = entry.err;
      if (!failed) return list;
      // One that has just been made, or that moves to another server.
      const bool moves =
          failed == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION || failed == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
      if (!moves || patience.is_over()) link_.check(failed, "asking for offsets of topic \"" + topic + "\"");
      std::this_thread::sleep_for(milliseconds(20));
    }
  }

  /// What the group has committed; a negative offset where that is nothing. Asked over a consumer, which never joins:
  /// librdkafka 2.0 crashes where a producer asks and the group's server is another one by now, or not ready yet.
  partition_list committed(const std::string& topic, int count) {
    if (!reader_) reader_.emplace(link_.options(), topic);
    const auto all = all_of(topic, count, RD_KAFKA_OFFSET_INVALID);
    std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t, destroyed_by<rd_kafka_ListConsumerGroupOffsets_destroy>> asked(
        rd_kafka_ListConsumerGroupOffsets_new(topic.c_str(), all.get()));
    auto* one = asked.get();
    rd_kafka_ListConsumerGroupOffsets(reader_->handle(), &one, 1, nullptr, reader_->queue());
    const auto answered = reader_->answer(RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT);
    const auto doing = "asking what group \"" + topic + "\" has committed";
    link_.check(rd_kafka_event_error(answered.get()), doing);
    std::size_t groups = 0;
    const auto** results = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(answered.get()), &groups);
    if (const auto* failed = rd_kafka_group_result_error(results[0])) link_.check(rd_kafka_error_code(failed), doing);
    partition_list list(rd_kafka_topic_partition_list_copy(rd_kafka_group_result_partitions(results[0])));
    rd_kafka_topic_partition_list_sort(list.get(), nullptr, nullptr);
    if (list->cnt != count) link_.fail(RD_KAFKA_RESP_ERR__BAD_MSG, doing + ": the answer is about other partitions");
    return list;
  }

  static partition_list all_of(const std::string& topic, int count, std::int64_t offset) {
    partition_list list(rd_kafka_topic_partition_list_new(count));
    for (int p = 0; p < count; ++p) rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), p)->offset = offset;
    return list;
  }

  client link_;
  std::optional<client> reader_;               ///< of what groups have committed; once somebody asks
  std::map<std::string, std::string> topics_;  ///< of the queues whose topics are there
  std::size_t unreported_ = 0;
  std::vector<outgoing> again_;  ///< where there is any, this producer is of no use any more
  rd_kafka_resp_err_t failed_ = RD_KAFKA_RESP_ERR_NO_ERROR;  ///< the first report that is an error
  std::string failed_queue_;
};

}  // namespace

std::unique_ptr<queue_publisher> make_publisher(const kafka_options& options) {
  return std::make_unique<reconnecting_publisher<publishing>>(
      "kafka at " + options.brokers, [options] { return std::make_unique<publishing>(options); });
}

}  // namespace amc::queue_system::kafka
