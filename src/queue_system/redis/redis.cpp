#include "queue_system/redis/redis.hpp"

#include <map>
#include <random>
#include <thread>

#include "queue_system/driver.hpp"
#include "queue_system/redis/connection.hpp"

namespace amc::queue_system {
namespace {

using redis::command;
using redis::connection;
using redis::parts_of;
using redis::text_of;
using clock = std::chrono::steady_clock;

constexpr std::string_view group = "amc";
constexpr std::string_view field = "event";
/// Smaller than the id of any entry.
constexpr std::string_view no_entry = "0-1";

/// The stream of a queue. A key may be of any bytes, so no two queues have one.
std::string key_of(const redis_options& options, const std::string& queue) {
  return "amc:" + options.prefix + queue;
}

std::string new_consumer_name() {
  std::random_device random;
  return std::to_string(random()) + "-" + std::to_string(random());
}

/// Makes the group, and its stream, unless they are there. It begins with the first entry that is in the stream.
void make_group(connection& link, const std::string& key) {
  link.add({"XGROUP", "CREATE", key, group, "0", "MKSTREAM"});
  const auto made = link.next();
  if (made->type == REDIS_REPLY_ERROR && !text_of(*made).starts_with("BUSYGROUP")) link.refuse(*made);
}

/// A connection that publishes.
class publishing {
 public:
  explicit publishing(const redis_options& options) : link_(options, "publisher") {}

  std::vector<outgoing> publish(std::span<const outgoing> batch) {
    while (!batch.empty()) {
      const auto part = batch.first(std::min(batch.size(), link_.options().publish_window));
      batch = batch.subspan(part.size());
      for (const auto& out : part) {
        const auto key = key_of(link_.options(), out.queue);
        link_.add({"XADD", key, "*", field, out.bytes});
      }
      redis::reply refused;
      for (std::size_t i = 0; i < part.size(); ++i)
        if (auto answer = link_.next(); answer->type == REDIS_REPLY_ERROR) refused = std::move(answer);
      if (refused) link_.refuse(*refused);
    }
    return {};
  }

  std::size_t depth(const std::string& queue) {
    const auto key = key_of(link_.options(), queue);
    return static_cast<std::size_t>(link_.ask({"XLEN", key})->integer);
  }

  bool is_up() const { return link_.is_up(); }

 private:
  connection link_;
};

class subscriber : public queue_subscriber {
 public:
  subscriber(const redis_options& options, const std::string& queue, std::size_t prefetch)
      : key_(key_of(options, queue)),
        consumer_(new_consumer_name()),
        claim_(std::to_string(options.claim.count())),
        link_(options, "subscriber"),
        unsettled_(prefetch),
        last_touch_(clock::now()) {
    make_group(link_, key_);
    forget_the_dead();
  }

  ~subscriber() override {
    try {
      add_again(unsettled_.settle_all());
      link_.ask({"XGROUP", "DELCONSUMER", key_, group, consumer_});
    } catch (const unavailable&) {
      // What is unsettled is claimed by another when queue_system.redis.claim_ms is over.
    }
  }

  std::vector<incoming> receive(std::size_t max, milliseconds longest) override {
    touch();
    std::vector<incoming> received;
    const auto room = unsettled_.room(max);
    if (room == 0) {
      std::this_thread::sleep_for(longest);
      return received;
    }
    if (!claim_from_the_dead(room, received)) read(room, longest, received);
    return received;
  }

  void acknowledge(std::span<const std::uint64_t> tags) override {
    const auto entries = unsettled_.settle(tags);
    if (!entries.empty()) link_.transact(removal_of(entries));
  }

  void give_back(std::span<const std::uint64_t> tags) override { add_again(unsettled_.settle(tags)); }

 private:
  struct entry {
    std::string id;
    std::string bytes;
  };

  /// The commands point into `entries`.
  std::vector<command> removal_of(const std::vector<entry>& entries) const {
    command acknowledged{"XACK", key_, group}, deleted{"XDEL", key_};
    for (const auto& each : entries) {
      acknowledged.push_back(each.id);
      deleted.push_back(each.id);
    }
    return {acknowledged, deleted};
  }

  /// A stream has no way to give an entry back: it is added once more, and the old one is removed, in one step.
  void add_again(const std::vector<entry>& entries) {
    if (entries.empty()) return;
    auto all = removal_of(entries);
    for (const auto& each : entries) all.push_back({"XADD", key_, "*", field, each.bytes});
    link_.transact(all);
  }

  void read(std::size_t room, milliseconds longest, std::vector<incoming>& received) {
    const deadline patience(longest);
    const auto count = std::to_string(room);
    for (bool again = true; again;) {
      const auto left = patience.left();
      const auto block = std::to_string(left.count());
      command words{"XREADGROUP", "GROUP", group, consumer_, "COUNT", count};
      if (left.count() > 0) words.insert(words.end(), {"BLOCK", block});  // 0 would be for ever
      words.insert(words.end(), {"STREAMS", key_, ">"});
      link_.add(words);
      const auto answer = link_.next(left);
      again = answer->type == REDIS_REPLY_ERROR;
      if (again) make_again_or_refuse(*answer);
      for (const auto* stream : parts_of(*answer))
        if (stream->elements == 2) take(*stream->element[1], received);
    }
  }

  /// What another consumer has held for too long. Whether there was anything.
  bool claim_from_the_dead(std::size_t room, std::vector<incoming>& received) {
    const auto now = clock::now();
    if (now < next_claim_) return false;
    const auto count = std::to_string(room);
    link_.add({"XAUTOCLAIM", key_, group, consumer_, claim_, claim_from_, "COUNT", count});
    const auto answer = link_.next();
    if (answer->type == REDIS_REPLY_ERROR) make_again_or_refuse(*answer);
    if (answer->elements >= 2) {
      claim_from_ = text_of(*answer->element[0]);
      take(*answer->element[1], received);
    }
    if (claim_from_ == "0-0") next_claim_ = now + link_.options().claim / 3;
    return !received.empty();
  }

  void take(const redisReply& entries, std::vector<incoming>& received) {
    std::vector<entry> empty;
    for (const auto* each : parts_of(entries)) {
      if (each->elements != 2) continue;
      const std::string id(text_of(*each->element[0]));
      const auto pairs = parts_of(*each->element[1]);
      if (pairs.size() < 2) {
        // not covered: takes Redis 6.2, which still tells of what was deleted meanwhile
        empty.push_back({id, ""});
        continue;
      }
      const auto bytes = std::string(text_of(*pairs[1]));
      received.push_back({unsettled_.add({id, bytes}), bytes});
    }
    if (!empty.empty()) link_.transact(removal_of(empty));
  }

  /// After a refusal to read: makes the group again where the stream or the group has been deleted.
  void make_again_or_refuse(const redisReply& refusal) {
    const auto text = text_of(refusal);
    if (!text.starts_with("NOGROUP") && !text.starts_with("UNBLOCKED")) link_.refuse(refusal);
    make_group(link_, key_);
  }

  /// Tells the server that this process still works on what it has.
  void touch() {
    const auto now = clock::now();
    if (now - last_touch_ < link_.options().claim / 3) return;
    last_touch_ = now;
    if (unsettled_.empty()) return;
    command words{"XCLAIM", key_, group, consumer_, "0"};
    for (const auto& [tag, held] : unsettled_.all()) words.push_back(held.id);
    words.push_back("JUSTID");
    link_.add(words);
    const auto answer = link_.next();
    if (answer->type == REDIS_REPLY_ERROR) make_again_or_refuse(*answer);
  }

  /// Deletes consumers that hold nothing and have not been heard of for long. Those that live are made again by what
  /// they ask for next.
  void forget_the_dead() {
    constexpr long long longest_ms = 3'600'000;
    const auto consumers = link_.ask({"XINFO", "CONSUMERS", key_, group});
    for (const auto* each : parts_of(*consumers)) {
      std::map<std::string_view, const redisReply*> told;
      for (std::size_t i = 0; i + 1 < each->elements; i += 2) told[text_of(*each->element[i])] = each->element[i + 1];
      const bool known = told.contains("name") && told.contains("pending") && told.contains("idle");
      if (known && told["pending"]->integer == 0 && told["idle"]->integer > longest_ms)
        // not covered: takes a consumer that was not heard of for an hour
        link_.ask({"XGROUP", "DELCONSUMER", key_, group, text_of(*told["name"])});
    }
  }

  std::string key_;
  std::string consumer_;
  std::string claim_;  ///< in ms
  connection link_;
  unsettled_events<entry> unsettled_;
  std::string claim_from_ = "0-0";
  clock::time_point next_claim_{}, last_touch_;
};

class redis_platform : public platform {
 public:
  explicit redis_platform(redis_options options) : options_(std::move(options)) {}

  amc::capabilities capabilities() const override { return {}; }

  /// Does with an entry that is not there all that is done with others: the server looks at the user's rights first.
  void check(std::span<const std::string> published, std::span<const std::string> received) override {
    connection link(options_, "check");
    for (const auto& queue : published) {
      const auto key = key_of(options_, queue);
      link.ask({"XLEN", key});
      link.add({"XADD", key, "0-0", field, ""});
      const auto answer = link.next();  // never an id
      if (!text_of(*answer).starts_with("ERR The ID")) link.refuse(*answer);
    }
    const auto consumer = new_consumer_name();
    for (const auto& queue : received) {
      const auto key = key_of(options_, queue);
      make_group(link, key);
      link.ask({"XREADGROUP", "GROUP", group, consumer, "STREAMS", key, "0"});
      link.ask({"XCLAIM", key, group, consumer, "0", no_entry, "JUSTID"});
      link.transact({{"XACK", key, group, no_entry}, {"XDEL", key, no_entry}});
      link.ask({"XGROUP", "DELCONSUMER", key, group, consumer});
    }
  }

  std::unique_ptr<queue_publisher> make_publisher() override {
    return std::make_unique<reconnecting_publisher<publishing>>(
        "redis at " + mask_url(options_.url), [options = options_] { return std::make_unique<publishing>(options); });
  }

  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) override {
    return std::make_unique<subscriber>(options_, queue, prefetch);
  }

 private:
  redis_options options_;
};

}  // namespace

std::shared_ptr<platform> make_redis(redis_options options) {
  const auto where = redis::parse_address(options.url);
  if (!where)
    throw config_error("queue_system.redis.url: \"" + mask_url(options.url) +
                       "\" is not like redis://USER:PASSWORD@HOST:PORT/DATABASE");
  if (where->tls)
    throw config_error("queue_system.redis.url: \"" + mask_url(options.url) + "\" wants TLS, which this build (" +
                       redis_library() + ") has not; say redis://, through a tunnel where the network is not trusted");
  return std::make_shared<redis_platform>(std::move(options));
}

}  // namespace amc::queue_system
