#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "queue_system/kafka/kafka.hpp"

namespace amc::queue_system::kafka {

/// For what librdkafka gives away.
template <auto Destroy>
struct destroyed_by {
  template <class T>
  void operator()(T* what) const {
    Destroy(what);
  }
};
using event = std::unique_ptr<rd_kafka_event_t, destroyed_by<rd_kafka_event_destroy>>;
using partition_list =
    std::unique_ptr<rd_kafka_topic_partition_list_t, destroyed_by<rd_kafka_topic_partition_list_destroy>>;

inline std::span<rd_kafka_topic_partition_t> entries_of(rd_kafka_topic_partition_list_t* list) {
  return {list->elems, static_cast<std::size_t>(list->cnt)};
}
inline std::string_view metadata_of(const rd_kafka_topic_partition_t& entry) {
  return {static_cast<const char*>(entry.metadata), entry.metadata_size};
}

/// A topic of which everything has gone, its place included: to be made again.
bool is_gone(rd_kafka_resp_err_t code);

/// The topic and the consumer group of a queue: its bytes where they are letters, digits or '-'; '_' is "__", and any
/// other byte, '.' too, is "_" and two hexadecimal digits: Kafka takes no two topics that differ in '.' and '_' only.
std::string topic_name(const std::string& queue);

/// What a topic that is made takes; an event has a few hundred bytes.
constexpr int largest_event_bytes = 2 << 20;

/// Throws config_error for a property that librdkafka does not take, or that AMC sets itself.
void check_properties(const kafka_options& options);

/// One librdkafka client: a producer, or a member of a consumer group. For one thread. Every method throws
/// `unavailable`; after that the client is of no use, drop it.
class client {
 public:
  /// A producer that reaches a server; with `acks`, one that is not idempotent and asks for so many.
  explicit client(const kafka_options& options, const char* acks = nullptr);
  /// A producer that has yet to reach anybody.
  struct unreached {};
  client(const kafka_options& options, unreached);
  /// A member of that group, which has subscribed to nothing.
  client(const kafka_options& options, const std::string& group);
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  rd_kafka_t* handle() const { return handle_; }
  rd_kafka_queue_t* queue() const { return queue_; }
  const kafka_options& options() const { return options_; }

  /// What has happened next, or nothing when nothing did in time. Errors are thrown.
  event next(milliseconds longest);
  /// Why this producer can publish no more, and another could.
  rd_kafka_resp_err_t death_of_producer() const;
  /// The answer to a request; what happens before it is dropped.
  event answer(rd_kafka_event_type_t type);

  /// Makes the topic unless it is there; returns how many partitions it has.
  int make(const std::string& topic);
  /// How many partitions it has; nothing when it is not there.
  std::optional<int> partitions(const std::string& topic);

  /// That nothing came within the time-out, and why if that is known.
  std::string no_answer() const;

  /// Throws when it is one.
  void check(rd_kafka_resp_err_t code, const std::string& doing) const;
  [[noreturn]] void fail(rd_kafka_resp_err_t code, const std::string& what) const;

 private:
  client(const kafka_options& options, rd_kafka_type_t kind, const std::map<std::string, std::string>& own);
  void make_handle(rd_kafka_type_t kind, const std::map<std::string, std::string>& own);
  void reach();
  void destroy();
  rd_kafka_resp_err_t create(const std::string& topic, std::string& why);

  kafka_options options_;
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_queue_t* queue_ = nullptr;
  std::string last_error_;  ///< of a connection
};

}  // namespace amc::queue_system::kafka
