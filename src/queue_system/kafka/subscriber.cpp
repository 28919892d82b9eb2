#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>

#include "queue_system/driver.hpp"
#include "queue_system/kafka/client.hpp"
#include "queue_system/kafka/handled_offsets.hpp"
#include "queue_system/kafka/membership.hpp"
#include "queue_system/kafka/parts.hpp"

namespace amc::queue_system::kafka {
namespace {

using clock = std::chrono::steady_clock;

class subscriber : public queue_subscriber {
 public:
  subscriber(const kafka_options& options, const std::string& queue, std::size_t prefetch)
      : topic_(topic_name(options.prefix + queue)), prefetch_(prefetch), link_(options, topic_) {
    link_.make(topic_);
    partition_list wanted(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(wanted.get(), topic_.c_str(), RD_KAFKA_PARTITION_UA);
    link_.check(rd_kafka_subscribe(link_.handle(), wanted.get()), "subscribing to \"" + topic_ + "\"");
  }

  ~subscriber() override {
    try {
      await_commit(patience_of_end);
    } catch (const unavailable&) {  // not covered: takes a right that is lost between two commits
      // What was not committed is delivered again.
    }
    leave();
  }

  std::vector<incoming> receive(std::size_t max, milliseconds longest) override {
    max = std::min(max, prefetch_ - std::min(prefetch_, unsettled_.size()));
    commit();
    see_to_membership();
    if (max == 0) return stay(), std::vector<incoming>{};
    pause(false);
    std::vector<incoming> received;
    const deadline patience(longest);
    do {
      while (!early_.empty() && received.size() < max) received.push_back(hand_out());
      if (received.size() == max) break;
      listen(received.empty() ? patience.left() : milliseconds(0));
    } while (!early_.empty() || (received.empty() && !patience.is_over()));
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

  /// One that has heard nothing for a whole session may be no member any more, and the server that it uses does not
  /// know that either.
  void see_to_membership() {
    const auto longest = link_.options().session_timeout;
    if (!asked_ && clock::now() - quiet_since_ >= longest) {
      quiet_since_ = clock::now();
      if (auto me = member_id(); !me.empty()) asked_.emplace(link_.options(), topic_, std::move(me));
    }
    const auto answer = asked_ ? asked_->heard() : membership::answer::awaited;
    if (answer == membership::answer::awaited) return;
    const bool is_over = answer == membership::answer::has_not && asked_->member() == member_id();
    asked_.reset();
    if (is_over)
      link_.fail(RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
                 "another server leads group \"" + topic_ + "\" by now, and does not know this subscriber");
  }

  /// Empty while it joins.
  std::string member_id() const {
    char* told = rd_kafka_memberid(link_.handle());
    std::string id = told ? told : "";
    rd_kafka_mem_free(link_.handle(), told);
    return id;
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
    quiet_since_ = clock::now();
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
    commit_failed_ = true;  // not covered: takes a group that is divided anew while the answer is on its way
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
      link_.check(code, "committing to group \"" + topic_ + "\"");
    if (auto* list = rd_kafka_event_topic_partition_list(what.get()))
      for (const auto& entry : entries_of(list))
        if (const auto found = assigned_.find(entry.partition); found != assigned_.end()) found->second.changed = true;
  }

  /// Until everything that is handled is committed, unless that fails.
  void await_commit(milliseconds longest) {
    const deadline patience(longest);
    commit();
    while (committing_) {
      if (patience.is_over()) return;
      listen(patience.left());
      if (!committing_ && !commit_failed_) commit();
    }
  }

  /// All partitions are taken before they are divided anew. What this one gets again goes on where it was, with what is
  /// unsettled of it, unless somebody else may have had it in between.
  void rebalance(const event& what) {
    auto* list = rd_kafka_event_topic_partition_list(what.get());
    if (rd_kafka_event_error(what.get()) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) return assign(list);
    if (rd_kafka_assignment_lost(link_.handle()))
      keep_only({});  // not covered: takes a process that is held up for a whole session; amc_chaos pauses some
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
      return rd_kafka_error_destroy(failed);  // not covered: takes a client that has been destroyed
    const deadline patience(patience_of_end);
    while (!rd_kafka_consumer_closed(link_.handle()) && !patience.is_over()) {
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
  clock::time_point quiet_since_ = clock::now();  ///< an event came, or it asked whether it is a member
  std::optional<membership> asked_;
  bool paused_ = false;
  bool committing_ = false;  ///< one at a time, in order
  bool commit_failed_ = false;
};

}  // namespace

std::unique_ptr<queue_subscriber> make_subscriber(const kafka_options& options, const std::string& queue,
                                                  std::size_t prefetch) {
  return std::make_unique<subscriber>(options, queue, prefetch);
}

}  // namespace amc::queue_system::kafka
