#include "queue_system/kafka/kafka.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <set>
#include <thread>
#include <unordered_map>

#include "core/back_off.hpp"
#include "core/log.hpp"
#include "queue_system/kafka/client.hpp"
#include "queue_system/kafka/handled_offsets.hpp"

namespace amc::queue_system {
namespace {

using kafka::client;
using kafka::event;
using kafka::handled_offsets;
using kafka::partition_list;
using clock = std::chrono::steady_clock;

std::span<rd_kafka_topic_partition_t> entries_of(rd_kafka_topic_partition_list_t* list) {
  return {list->elems, static_cast<std::size_t>(list->cnt)};
}

std::string_view metadata_of(const rd_kafka_topic_partition_t& entry) {
  return {static_cast<const char*>(entry.metadata), entry.metadata_size};
}

/// A topic of which everything has gone, its place included: to be made again.
bool is_gone(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

/// What has been published over one producer and not been reported yet. Where anything but a report ends its wait, it
/// is of no use any more.
class publishing {
 public:
  explicit publishing(const kafka_options& options) : link_(options) {}

  /// Publishes all of it and waits for the reports. Returns what is to be published again, over another producer: its
  /// topic has been deleted, or the producer has died, and what it had in hand may have been published or not.
  std::vector<const outgoing*> publish(std::span<const outgoing* const> batch) {
    failed_ = RD_KAFKA_RESP_ERR_NO_ERROR;
    again_.clear();
    for (const auto* out : batch) topic_of(out->queue);
    const auto deadline = clock::now() + link_.options().answer_timeout;
    for (const auto* out : batch) send(*out, deadline);
    while (unreported_ > 0) hear(deadline);
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

  /// Hears what has happened since the last call; throws when the servers have gone.
  void catch_up() {
    while (link_.next(milliseconds(0))) {
    }
    while (reader_ && reader_->next(milliseconds(0))) {
    }
  }

 private:
  const std::string& topic_of(const std::string& queue) {
    auto found = topics_.find(queue);
    if (found == topics_.end()) {
      auto topic = kafka::topic_name(link_.options().prefix + queue);
      link_.make(topic);
      found = topics_.emplace(queue, std::move(topic)).first;
    }
    return found->second;
  }

  void send(const outgoing& out, clock::time_point deadline) {
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
      hear(deadline);
    }
  }

  void hear(clock::time_point deadline) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
    if (left <= milliseconds(0))
      link_.fail(RD_KAFKA_RESP_ERR__TIMED_OUT,
                 std::to_string(unreported_) + " events were not confirmed: " + link_.no_answer());
    const auto what = link_.next(left);
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
    if (is_gone(code) || code == RD_KAFKA_RESP_ERR__FATAL) {
      again_.push_back(&out);
    } else if (!failed_) {
      failed_ = code;
      failed_queue_ = out.queue;
    }
  }

  /// Where each partition begins or ends.
  partition_list offsets(const std::string& topic, int count, std::int64_t which) {
    const auto patience = link_.options().answer_timeout;
    for (const auto deadline = clock::now() + patience;;) {
      auto list = all_of(topic, count, which);
      auto failed = rd_kafka_offsets_for_times(link_.handle(), list.get(), static_cast<int>(patience.count()));
      for (const auto& entry : entries_of(list.get()))
        if (!failed) failed = entry.err;
      if (!failed) return list;
      // One that has just been made, or that moves to another server.
      const bool moves =
          failed == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION || failed == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
      if (!moves || clock::now() >= deadline) link_.check(failed, "asking for offsets of topic \"" + topic + "\"");
      std::this_thread::sleep_for(milliseconds(20));
    }
  }

  /// What the group has committed; a negative offset where that is nothing. Asked over a consumer, which never joins:
  /// librdkafka 2.0 crashes where a producer asks and the group's server is another one by now, or not ready yet.
  partition_list committed(const std::string& topic, int count) {
    if (!reader_) reader_.emplace(link_.options(), topic);
    const auto all = all_of(topic, count, RD_KAFKA_OFFSET_INVALID);
    std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t, kafka::destroyed_by<rd_kafka_ListConsumerGroupOffsets_destroy>>
        asked(rd_kafka_ListConsumerGroupOffsets_new(topic.c_str(), all.get()));
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
  std::vector<const outgoing*> again_;
  rd_kafka_resp_err_t failed_ = RD_KAFKA_RESP_ERR_NO_ERROR;  ///< the first report that is an error
  std::string failed_queue_;
};

class publisher : public queue_publisher {
 public:
  explicit publisher(kafka_options options) : options_(std::move(options)) {}

  void publish(std::span<const outgoing> batch) override {
    std::vector<const outgoing*> left;
    for (const auto& out : batch) left.push_back(&out);
    constexpr int tries = 5;
    for (int again = 0; again < tries; ++again) {
      using_link([&](publishing& link) { left = link.publish(left); });
      if (left.empty()) return;
      link_.drop();
      std::this_thread::sleep_for((again + 1) * milliseconds(20));
    }
    // not covered: takes a topic that disappears five times
    throw unavailable(unavailable::reason::away, "kafka at " + options_.brokers + ": queue \"" + left.front()->queue +
                                                     "\" does not take what is published");
  }

  std::size_t depth(const std::string& queue) override {
    std::size_t count = 0;
    using_link([&](publishing& link) { count = link.depth(queue); });
    return count;
  }

 private:
  template <class Use>
  void using_link(const Use& use) {
    if (auto* current = link_.current()) {
      try {
        current->catch_up();
      } catch (const unavailable&) {
        link_.drop();
      }
    }
    auto& link = link_.get([this] { return std::make_unique<publishing>(options_); });
    try {
      use(link);
    } catch (...) {
      link_.drop();
      throw;
    }
  }

  kafka_options options_;
  reconnecting<publishing> link_;
};

class subscriber : public queue_subscriber {
 public:
  subscriber(const kafka_options& options, const std::string& queue, std::size_t prefetch)
      : topic_(kafka::topic_name(options.prefix + queue)), prefetch_(prefetch), link_(options, topic_) {
    link_.make(topic_);
    partition_list wanted(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(wanted.get(), topic_.c_str(), RD_KAFKA_PARTITION_UA);
    link_.check(rd_kafka_subscribe(link_.handle(), wanted.get()), "subscribing to \"" + topic_ + "\"");
  }

  ~subscriber() override {
    try {
      await_commit(patience_of_end);
    } catch (const unavailable&) {
      // What was not committed is delivered again.
    }
    leave();
  }

  std::vector<incoming> receive(std::size_t max, milliseconds longest) override {
    max = std::min(max, prefetch_ - std::min(prefetch_, unsettled_.size()));
    commit();
    if (max == 0) return stay(), std::vector<incoming>{};
    pause(false);
    std::vector<incoming> received;
    const auto deadline = clock::now() + longest;
    do {
      while (!early_.empty() && received.size() < max) received.push_back(hand_out());
      if (received.size() == max) break;
      const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
      listen(received.empty() ? left : milliseconds(0));
    } while (!early_.empty() || (received.empty() && clock::now() < deadline));
    return received;
  }

  void acknowledge(std::span<const std::uint64_t> tags) override {
    for (const auto tag : tags) {
      const auto known = unsettled_.extract(tag);
      if (!known) continue;
      const auto [number, offset] = known.mapped();
      auto& of = assigned_.at(number);
      of.handled->add(offset, offset);
      of.changed = true;
    }
    commit();
  }

  /// What is given back would keep everything after it from being forgotten: the sweeper rings it again.
  void give_back(std::span<const std::uint64_t> tags) override { acknowledge(tags); }

 private:
  struct partition {
    std::optional<handled_offsets> handled{};  ///< nothing until the first is delivered, where nothing is committed
    std::int64_t next = 0;                     ///< after the highest that was delivered
    bool changed = false;                      ///< since it was committed
  };
  struct place {
    std::int32_t partition;
    std::int64_t offset;
  };
  struct waiting {
    place at;
    std::string bytes;
  };
  static constexpr milliseconds patience_of_end{1'000};

  incoming hand_out() {
    auto first = std::move(early_.front());
    early_.pop_front();
    unsettled_.emplace(++last_tag_, first.at);
    return {last_tag_, std::move(first.bytes)};
  }

  /// Without room for more: whoever asks for nothing for long loses its partitions (max.poll.interval.ms), and whoever
  /// asks gets more. So they are paused, unless there is room again at once: to resume costs fetching again.
  void stay() {
    constexpr milliseconds at_once{500};
    if (clock::now() - listened_ < at_once) return;
    pause(true);
    while (listen(milliseconds(0))) {
    }
  }

  void pause(bool paused) {
    if (!paused && !paused_) return;
    paused_ = paused;
    rd_kafka_topic_partition_list_t* all = nullptr;
    rd_kafka_assignment(link_.handle(), &all);
    const partition_list mine(all);
    if (mine) (paused ? rd_kafka_pause_partitions : rd_kafka_resume_partitions)(link_.handle(), mine.get());
  }

  /// Hears one event, of whatever kind.
  bool listen(milliseconds longest) {
    const auto what = link_.next(longest);
    listened_ = clock::now();
    if (!what) return false;
    const auto type = rd_kafka_event_type(what.get());
    if (type == RD_KAFKA_EVENT_FETCH)
      while (const auto* message = rd_kafka_event_message_next(what.get())) take(*message);
    if (type == RD_KAFKA_EVENT_OFFSET_COMMIT) note_commit(what);
    if (type == RD_KAFKA_EVENT_REBALANCE) rebalance(what);
    return true;
  }

  void take(const rd_kafka_message_t& message) {
    const auto found = assigned_.find(message.partition);
    if (found == assigned_.end()) return;
    auto& of = found->second;
    // Back at offsets that were there before: the topic is another now.
    if (!of.handled || message.offset < of.next) {
      forget(message.partition);
      of = {.handled = handled_offsets(message.offset), .next = message.offset};
    }
    // Offsets that are left out hold nothing for us.
    of.handled->add(of.next, message.offset - 1);
    of.next = message.offset + 1;
    if (of.handled->contains(message.offset)) return;
    early_.push_back({{message.partition, message.offset}, {static_cast<const char*>(message.payload), message.len}});
  }

  /// What was delivered of a partition is nobody's business any more.
  void forget(std::int32_t number) {
    std::erase_if(unsettled_, [&](const auto& entry) { return entry.second.partition == number; });
    std::erase_if(early_, [&](const auto& entry) { return entry.at.partition == number; });
  }

  void commit() {
    if (committing_) return;
    constexpr std::size_t metadata_max_bytes = 4'000;  // Kafka's offset.metadata.max.bytes is 4096
    partition_list list(rd_kafka_topic_partition_list_new(static_cast<int>(assigned_.size())));
    for (auto& [number, of] : assigned_) {
      if (!std::exchange(of.changed, false)) continue;
      auto* entry = rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), number);
      entry->offset = of.handled->low();
      const auto above = of.handled->above(metadata_max_bytes);
      if (above.empty()) continue;
      entry->metadata = std::malloc(above.size());  // freed with the list
      if (!entry->metadata) throw std::bad_alloc();
      entry->metadata_size = above.size();
      std::memcpy(entry->metadata, above.data(), above.size());
    }
    if (list->cnt == 0) return;
    link_.check(rd_kafka_commit_queue(link_.handle(), list.get(), link_.queue(), nullptr, nullptr), "committing");
    committing_ = true;
    commit_failed_ = false;
  }

  /// Where a group is just being divided anew its answer may be no: it is asked again.
  void note_commit(const event& what) {
    committing_ = false;
    const auto code = rd_kafka_event_error(what.get());
    if (!code) return;
    commit_failed_ = true;
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
      link_.check(code, "committing to group \"" + topic_ + "\"");
    if (auto* list = rd_kafka_event_topic_partition_list(what.get()))
      for (const auto& entry : entries_of(list))
        if (const auto found = assigned_.find(entry.partition); found != assigned_.end()) found->second.changed = true;
  }

  /// Until everything that is handled is committed, unless that fails.
  void await_commit(milliseconds longest) {
    const auto deadline = clock::now() + longest;
    commit();
    while (committing_) {
      const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
      if (left <= milliseconds(0)) return;
      listen(left);
      if (!committing_ && !commit_failed_) commit();
    }
  }

  /// All partitions are taken before they are divided anew. What this one gets again goes on where it was, with what is
  /// unsettled of it, unless somebody else may have had it in between.
  void rebalance(const event& what) {
    auto* list = rd_kafka_event_topic_partition_list(what.get());
    if (rd_kafka_event_error(what.get()) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) return assign(list);
    if (rd_kafka_assignment_lost(link_.handle()))
      keep_only({});
    else
      await_commit(patience_of_end);
    tolerate(rd_kafka_assign(link_.handle(), nullptr));
  }

  void assign(rd_kafka_topic_partition_list_t* list) {
    std::set<std::int32_t> mine;
    for (const auto& entry : entries_of(list)) mine.insert(entry.partition);
    keep_only(mine);
    const auto patience = static_cast<int>(link_.options().answer_timeout.count());
    // Where nothing can be learnt librdkafka asks again, and what was handled above comes once more.
    const auto failed = mine.empty() ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_committed(link_.handle(), list, patience);
    for (auto& entry : entries_of(list)) {
      const bool is_known = !failed && !entry.err && entry.offset >= 0;
      auto [found, is_new] = assigned_.try_emplace(entry.partition);
      auto& of = found->second;
      if (is_new && is_known) of = {handled_offsets(entry.offset, metadata_of(entry)), entry.offset};
      entry.offset = of.handled ? of.next : RD_KAFKA_OFFSET_INVALID;
      entry.err = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    tolerate(rd_kafka_assign(link_.handle(), list));
    if (paused_) pause(true);
  }

  void keep_only(const std::set<std::int32_t>& mine) {
    std::erase_if(assigned_, [&](const auto& entry) {
      const bool is_gone = !mine.contains(entry.first);
      if (is_gone) forget(entry.first);
      return is_gone;
    });
  }

  /// A group that has moved on in between takes no answer (ERR__STATE), and asks again.
  void tolerate(rd_kafka_resp_err_t failed) {
    if (failed != RD_KAFKA_RESP_ERR__STATE) link_.check(failed, "taking partitions of \"" + topic_ + "\"");
  }

  /// So that others get its partitions at once. Whatever goes wrong, the partitions have to be let go of: the client
  /// cannot be destroyed while it waits for that.
  void leave() {
    if (auto* failed = rd_kafka_consumer_close_queue(link_.handle(), link_.queue()))
      return rd_kafka_error_destroy(failed);
    const auto deadline = clock::now() + patience_of_end;
    while (!rd_kafka_consumer_closed(link_.handle()) && clock::now() < deadline) {
      constexpr int moment_ms = 20;
      const event what(rd_kafka_queue_poll(link_.queue(), moment_ms));
      if (what && rd_kafka_event_type(what.get()) == RD_KAFKA_EVENT_REBALANCE) rd_kafka_assign(link_.handle(), nullptr);
    }
  }

  std::string topic_;
  std::size_t prefetch_;
  client link_;
  std::map<std::int32_t, partition> assigned_;
  std::deque<waiting> early_;  ///< heard, and not received yet
  std::unordered_map<std::uint64_t, place> unsettled_;
  std::uint64_t last_tag_ = 0;
  clock::time_point listened_ = clock::now();
  bool paused_ = false;
  bool committing_ = false;  ///< one at a time, in order
  bool commit_failed_ = false;
};

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
  } catch (const unavailable& failed) {
    if (failed.why() != unavailable::reason::refused) throw;
    // Already where the group is looked for, which is told without its name.
    throw unavailable(failed.why(), failed.what() + (" read group \"" + topic + "\""));
  }
  if (!is_gone(code)) link.check(code, "reading topic \"" + topic + "\" as a group of the same name");
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

  std::unique_ptr<queue_publisher> make_publisher() override { return std::make_unique<publisher>(options_); }

  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) override {
    return std::make_unique<subscriber>(options_, queue, prefetch);
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
