#include "queue_system/kafka/client.hpp"

#include <algorithm>
#include <array>
#include <future>
#include <map>
#include <memory>
#include <thread>

#include "core/log.hpp"
#include "queue_system/encoded_name.hpp"

namespace amc::queue_system::kafka {
namespace {

using clock = std::chrono::steady_clock;
using settings = std::map<std::string, std::string>;

/// What suits us better than librdkafka's defaults; queue_system.kafka.properties goes before.
const settings& preferred() {
  static const settings all{
      {"client.id", "amc"},
      {"linger.ms", "0"},  // batches come from above; what waits for a report waits for nothing else
      {"socket.nagle.disable", "true"},
      {"message.max.bytes", std::to_string(largest_event_bytes)},
      {"queued.max.messages.kbytes", "16384"},
      {"fetch.error.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "1000"},
      {"topic.metadata.propagation.max.ms", "1000"},
      // A server that is cut off from the others goes on answering its clients, as if it still led its partitions.
      {"topic.metadata.refresh.interval.ms", "5000"},
      {"log.connection.close", "false"}};
  return all;
}

settings own_of(const kafka_options& options) {
  const auto patience = std::to_string(options.answer_timeout.count());
  return {{"bootstrap.servers", options.brokers},
          {"socket.timeout.ms", patience},
          {"socket.connection.setup.timeout.ms", patience}};
}

settings own_of_producer(const kafka_options& options, const char* acks) {
  auto own = own_of(options);
  own["message.timeout.ms"] = own["request.timeout.ms"] = own["socket.timeout.ms"];
  own["acks"] = acks ? acks : "all";
  own["enable.idempotence"] = acks ? "false" : "true";
  // Where a server becomes the leader of a partition just now, it may refuse the first request of a producer and take
  // the second: librdkafka tells both as delivered then, since what comes later cannot be there without the first.
  own["max.in.flight"] = "1";
  return own;
}

settings own_of_consumer(const kafka_options& options, const std::string& group) {
  auto own = own_of(options);
  constexpr int heartbeats = 10;
  own["group.id"] = group;
  own["session.timeout.ms"] = std::to_string(options.session_timeout.count());
  own["heartbeat.interval.ms"] = std::to_string(options.session_timeout.count() / heartbeats);
  own["enable.auto.commit"] = own["enable.auto.offset.store"] = "false";
  own["auto.offset.reset"] = "earliest";
  // Not cooperative-sticky: until 2.3 librdkafka aborts where a member leaves before it has been given anything.
  own["partition.assignment.strategy"] = "range";
  return own;
}

using configuration = std::unique_ptr<rd_kafka_conf_t, destroyed_by<rd_kafka_conf_destroy>>;

configuration configured(const kafka_options& options, const settings& own) {
  configuration made(rd_kafka_conf_new());
  std::array<char, 512> why{};
  const auto set = [&](const std::string& name, const std::string& value) {
    if (rd_kafka_conf_set(made.get(), name.c_str(), value.c_str(), why.data(), why.size()) != RD_KAFKA_CONF_OK)
      throw config_error("queue_system.kafka.properties: " + std::string(why.data()));
  };
  for (const auto& all : {preferred(), options.properties, own})
    for (const auto& [name, value] : all) set(name, value);
  rd_kafka_conf_set_log_cb(made.get(), nullptr);  // what matters comes as an event
  rd_kafka_conf_set_events(
      made.get(), RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT);
  return made;
}

bool is_about_rights(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

/// What a person has to do about it; empty where waiting may help.
std::string remedy_of(rd_kafka_resp_err_t code) {
  if (is_about_rights(code)) return "give the user of queue_system.kafka.properties the right to";
  static const std::map<rd_kafka_resp_err_t, const char*> remedies{
      {RD_KAFKA_RESP_ERR__AUTHENTICATION, "check sasl.… in queue_system.kafka.properties"},
      {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, "check sasl.… in queue_system.kafka.properties"},
      {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, "check sasl.… in queue_system.kafka.properties"},
      {RD_KAFKA_RESP_ERR__SSL, "check ssl.… in queue_system.kafka.properties"},
      {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
       "raise max.message.bytes of the topic, and message.max.bytes in queue_system.kafka.properties"},
      {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR,
       "set queue_system.kafka.replication to what the cluster has servers for"},
      {RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, "check queue_system.kafka.partitions"},
      {RD_KAFKA_RESP_ERR_INVALID_CONFIG, "check queue_system.kafka.retention_ms"},
      {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "make the topic as the cluster's policy wants it"},
      {RD_KAFKA_RESP_ERR_INVALID_RECORD, "set the topic's cleanup.policy to delete"},
      {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, "queue_system.kafka.brokers wants Kafka 2.4 or newer, but not 4.0"},
      {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, "queue_system.kafka.brokers wants Kafka 2.4 or newer, but not 4.0"},
      {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "take another queue_system.prefix"}};
  const auto found = remedies.find(code);
  return found == remedies.end() ? "" : found->second;
}

}  // namespace

std::string topic_name(const std::string& queue) {
  constexpr name_rules rules{.escape = '_', .plain = "-", .longest = 249};
  return encoded_name(queue, rules);
}

bool is_gone(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

void check_properties(const kafka_options& options) {
  auto own = own_of_producer(options, nullptr);
  configured(options, own);
  own.merge(own_of_consumer(options, "any"));
  for (const auto* alias : {"metadata.broker.list", "request.required.acks", "delivery.timeout.ms", "transactional.id"})
    own[alias];
  for (const auto& [name, value] : options.properties)
    if (own.contains(name))
      throw config_error("queue_system.kafka.properties: " + name + " is not to be set there: AMC sets it itself");
  configured(options, own_of_consumer(options, "any"));
}

client::client(const kafka_options& options, const char* acks)
    : client(options, RD_KAFKA_PRODUCER, own_of_producer(options, acks)) {}

client::client(const kafka_options& options, const std::string& group)
    : client(options, RD_KAFKA_CONSUMER, own_of_consumer(options, group)) {}

client::client(const kafka_options& options, unreached) : options_(options) {
  make_handle(RD_KAFKA_PRODUCER, own_of_producer(options, nullptr));
}

client::client(const kafka_options& options, rd_kafka_type_t kind, const std::map<std::string, std::string>& own)
    : options_(options) {
  make_handle(kind, own);
  try {
    reach();
  } catch (...) {
    destroy();
    throw;
  }
}

void client::make_handle(rd_kafka_type_t kind, const std::map<std::string, std::string>& own) {
  auto how = configured(options_, own);
  std::array<char, 512> why{};
  handle_ = rd_kafka_new(kind, how.get(), why.data(), why.size());
  if (!handle_) fail(RD_KAFKA_RESP_ERR__SSL, why.data());
  static_cast<void>(how.release());  // it is the client's now
  if (kind == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(handle_);
  queue_ = kind == RD_KAFKA_CONSUMER ? rd_kafka_queue_get_consumer(handle_) : rd_kafka_queue_get_main(handle_);
}

client::~client() {
  destroy();
}

/// Where a topic was deleted, librdkafka 2.0 may wait for ever for one of its threads: then the handle is left behind,
/// which costs its memory and nobody's time.
void client::destroy() {
  rd_kafka_queue_destroy(queue_);
  const auto ended = std::make_shared<std::promise<void>>();
  auto is_over = ended->get_future();
  std::thread([ended, handle = handle_] {
    rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    ended->set_value();
  }).detach();
  if (is_over.wait_for(options_.answer_timeout) == std::future_status::timeout)
    log::warning("queue", "kafka: a connection does not end (was its topic deleted?), and is left behind");
}

/// Asks in slices, to hear in between that nobody is there or that we may not in.
void client::reach() {
  const auto deadline = clock::now() + options_.answer_timeout;
  for (milliseconds slice{50};; slice *= 2) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
    if (left <= milliseconds(0)) fail(RD_KAFKA_RESP_ERR__TIMED_OUT, "connecting: " + no_answer());
    const struct rd_kafka_metadata* found = nullptr;
    const auto failed =
        rd_kafka_metadata(handle_, false, nullptr, &found, static_cast<int>(std::min(slice, left).count()));
    if (!failed) return rd_kafka_metadata_destroy(found);
    while (next(milliseconds(0))) {
    }
  }
}

event client::next(milliseconds longest) {
  event what(rd_kafka_queue_poll(queue_, static_cast<int>(std::max(longest, milliseconds(0)).count())));
  if (!what || rd_kafka_event_type(what.get()) != RD_KAFKA_EVENT_ERROR) return what;
  const auto code = rd_kafka_event_error(what.get());
  const std::string text = rd_kafka_event_error_string(what.get());
  const bool passes = code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__RESOLVE ||
                      code == RD_KAFKA_RESP_ERR__TIMED_OUT;
  // What a producer has in hand when it dies is reported piece by piece; unless a person has to do something first.
  const auto death = death_of_producer();
  if (passes || (death && remedy_of(death).empty())) {
    last_error_ = text;
    return {};
  }
  if (death) fail(death, text);
  fail(code, code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !last_error_.empty() ? last_error_ : text);
}

rd_kafka_resp_err_t client::death_of_producer() const {
  if (rd_kafka_type(handle_) != RD_KAFKA_PRODUCER) return RD_KAFKA_RESP_ERR_NO_ERROR;
  return rd_kafka_fatal_error(handle_, nullptr, 0);
}

event client::answer(rd_kafka_event_type_t type) {
  const auto deadline = clock::now() + options_.answer_timeout;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
    if (left <= milliseconds(0)) fail(RD_KAFKA_RESP_ERR__TIMED_OUT, no_answer());
    auto what = next(left);
    if (what && rd_kafka_event_type(what.get()) == type) return what;
  }
}

std::string client::no_answer() const {
  return "no answer within " + std::to_string(options_.answer_timeout.count()) +
         " ms (queue_system.kafka.answer_timeout_ms)" + (last_error_.empty() ? "" : "; " + last_error_);
}

rd_kafka_resp_err_t client::create(const std::string& topic, std::string& why) {
  std::array<char, 512> refusal{};
  std::unique_ptr<rd_kafka_NewTopic_t, destroyed_by<rd_kafka_NewTopic_destroy>> made(
      rd_kafka_NewTopic_new(topic.c_str(), options_.partitions, options_.replication > 0 ? options_.replication : -1,
                            refusal.data(), refusal.size()));
  if (!made) fail(RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, refusal.data());
  rd_kafka_NewTopic_set_config(made.get(), "cleanup.policy", "delete");
  rd_kafka_NewTopic_set_config(made.get(), "retention.ms", std::to_string(options_.retention.count()).c_str());
  rd_kafka_NewTopic_set_config(made.get(), "max.message.bytes", std::to_string(largest_event_bytes).c_str());
  auto* one = made.get();
  rd_kafka_CreateTopics(handle_, &one, 1, nullptr, queue_);
  const auto answered = answer(RD_KAFKA_EVENT_CREATETOPICS_RESULT);
  why = rd_kafka_event_error_string(answered.get());
  if (const auto failed = rd_kafka_event_error(answered.get())) return failed;
  std::size_t count = 0;
  const auto** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answered.get()), &count);
  if (const auto* told = rd_kafka_topic_result_error_string(results[0])) why = told;
  return rd_kafka_topic_result_error(results[0]);
}

int client::make(const std::string& topic) {
  const auto doing = "making topic \"" + topic + "\": ";
  std::string why;
  const auto made = create(topic, why);
  // One that is there needs neither the right to be made nor a server that can.
  const bool is_able = !is_about_rights(made) && made != RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE;
  if (made && made != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS && is_able) fail(made, doing + why);
  const auto deadline = clock::now() + options_.answer_timeout;
  for (;;) {
    if (const auto count = partitions(topic)) return *count;
    if (!is_able) fail(made, doing + why);
    if (clock::now() >= deadline) fail(RD_KAFKA_RESP_ERR__TIMED_OUT, doing + "it does not appear");
    constexpr milliseconds moment{10};
    std::this_thread::sleep_for(moment);
  }
}

std::optional<int> client::partitions(const std::string& topic) {
  const std::unique_ptr<rd_kafka_topic_t, destroyed_by<rd_kafka_topic_destroy>> asked(
      rd_kafka_topic_new(handle_, topic.c_str(), nullptr));
  const auto doing = "looking for topic \"" + topic + "\"";
  const struct rd_kafka_metadata* answered = nullptr;
  check(rd_kafka_metadata(handle_, false, asked.get(), &answered, static_cast<int>(options_.answer_timeout.count())),
        doing);
  const std::unique_ptr<const struct rd_kafka_metadata, destroyed_by<rd_kafka_metadata_destroy>> found(answered);
  if (found->topic_cnt == 0) return {};
  const auto& told = found->topics[0];
  if (told.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || told.err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
    return {};
  check(told.err, doing);
  return told.partition_cnt;
}

void client::check(rd_kafka_resp_err_t code, const std::string& doing) const {
  if (code) fail(code, doing + ": " + rd_kafka_err2str(code));
}

void client::fail(rd_kafka_resp_err_t code, const std::string& what) const {
  const auto remedy = remedy_of(code);
  throw unavailable(remedy.empty() ? unavailable::reason::away : unavailable::reason::refused,
                    "kafka at " + options_.brokers + ": " + what + (remedy.empty() ? "" : "; " + remedy));
}

}  // namespace amc::queue_system::kafka
