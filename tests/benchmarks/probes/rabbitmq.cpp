#include "queue_system/rabbitmq/rabbitmq.hpp"

#include "queue_system/rabbitmq/rabbitmq_c.hpp"
#include "tests/benchmarks/probes/platform_driver.hpp"
#include "tests/support/rabbitmq.hpp"

namespace amc::benchmarks {
namespace {

amqp_bytes_t bytes_of(const std::string& text) {
  return {text.size(), const_cast<char*>(text.data())};
}

/// A connection with one channel, as in rabbitmq-c's own examples.
class raw_link {
 public:
  static constexpr amqp_channel_t channel = 1;

  explicit raw_link(std::string url) : handle(amqp_new_connection()) {
    amqp_connection_info where{};
    amqp_parse_url(url.data(), &where);
    auto* socket = amqp_tcp_socket_new(handle);
    require(amqp_socket_open(socket, where.host, where.port) == AMQP_STATUS_OK, "raw rabbitmq-c: no connection");
    expect(amqp_login(handle, "/", 0, 131'072, 0, AMQP_SASL_METHOD_PLAIN, where.user, where.password));
    amqp_channel_open(handle, channel);
    expect(amqp_get_rpc_reply(handle));
  }
  ~raw_link() {
    amqp_connection_close(handle, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(handle);
  }
  raw_link(const raw_link&) = delete;
  raw_link& operator=(const raw_link&) = delete;

  static void expect(const amqp_rpc_reply_t& reply) {
    require(reply.reply_type == AMQP_RESPONSE_NORMAL, "raw rabbitmq-c: the server refused");
  }

  amqp_connection_state_t handle;
};

class raw_rabbitmq {
 public:
  raw_rabbitmq(const std::string& url, std::string queue, amount work)
      : url_(url), queue_(std::move(queue)), work_(work), publisher_(url) {
    amqp_table_entry_t kind[] = {{amqp_cstring_bytes("x-queue-type"), {}}};
    kind[0].value.kind = AMQP_FIELD_KIND_UTF8;
    kind[0].value.value.bytes = amqp_cstring_bytes("quorum");
    amqp_queue_declare(publisher_.handle, raw_link::channel, bytes_of(queue_), false, true, false, false, {1, kind});
    raw_link::expect(amqp_get_rpc_reply(publisher_.handle));
    amqp_confirm_select(publisher_.handle, raw_link::channel);
    raw_link::expect(amqp_get_rpc_reply(publisher_.handle));
  }

  double publish() {
    expected_.publish(make_events(work_.count));
    const auto& events = expected_.events();
    const stopwatch watch;
    for (std::size_t at = 0; at < events.size(); at += work_.batch) {
      const auto end = std::min(at + work_.batch, events.size());
      for (auto i = at; i < end; ++i) send(events[i]);
      await_confirms(end - at);
    }
    return watch.seconds();
  }

  double receive() {
    raw_link link(url_);
    amqp_basic_qos(link.handle, raw_link::channel, 0, prefetch, false);
    amqp_basic_consume(link.handle, raw_link::channel, bytes_of(queue_), amqp_empty_bytes, false, false, false,
                       amqp_empty_table);
    raw_link::expect(amqp_get_rpc_reply(link.handle));
    std::size_t received = 0;
    const stopwatch watch;
    while (!expected_.all_here()) {
      const timeval longest{5, 0};
      amqp_envelope_t envelope;
      amqp_maybe_release_buffers(link.handle);
      raw_link::expect(amqp_consume_message(link.handle, &envelope, &longest, 0));
      expected_.arrive({static_cast<const char*>(envelope.message.body.bytes), envelope.message.body.len});
      if (++received % work_.batch == 0 || expected_.all_here())
        amqp_basic_ack(link.handle, raw_link::channel, envelope.delivery_tag, true);
      amqp_destroy_envelope(&envelope);
    }
    return watch.seconds();
  }

 private:
  void send(const std::string& event) {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG;
    properties.delivery_mode = 2;
    properties.content_type = amqp_cstring_bytes("application/cloudevents+json");
    require(amqp_basic_publish(publisher_.handle, raw_link::channel, amqp_empty_bytes, bytes_of(queue_), true, false,
                               &properties, bytes_of(event)) == AMQP_STATUS_OK,
            "raw rabbitmq-c: cannot publish");
    ++sent_;
  }

  /// Acknowledgements may come out of order: they are counted, those of several at once from the last such one on.
  void await_confirms(std::size_t count) {
    const auto begin = sent_ - count;
    std::vector<bool> confirmed(count);
    for (auto left = count; left > 0;) {
      amqp_frame_t frame;
      amqp_maybe_release_buffers(publisher_.handle);
      require(amqp_simple_wait_frame(publisher_.handle, &frame) == AMQP_STATUS_OK, "raw rabbitmq-c: cut");
      require(frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == AMQP_BASIC_ACK_METHOD,
              "raw rabbitmq-c: not confirmed");
      const auto* ack = static_cast<const amqp_basic_ack_t*>(frame.payload.method.decoded);
      const auto last = ack->delivery_tag - begin;  // of this batch, from 1 on
      for (auto i = ack->multiple ? 1 : last; i <= last; ++i)
        if (!confirmed[i - 1]) {
          confirmed[i - 1] = true;
          --left;
        }
    }
  }

  std::string url_;
  std::string queue_;
  amount work_;
  raw_link publisher_;
  expected_events expected_;
  std::uint64_t sent_ = 0;
};

}  // namespace

std::vector<probe> rabbitmq_probes(amount work) {
  const auto queues = std::make_shared<tests::rabbitmq_queues>();
  const auto raw = std::make_shared<raw_rabbitmq>(queues->url(), queues->prefix() + "q", work);
  const auto driver = std::make_shared<platform_driver>(queue_system::make_rabbitmq(queues->options()), "r", work);
  return {{"rabbitmq publish", [raw, queues] { return raw->publish(); }, [driver] { return driver->publish(); }},
          {"rabbitmq receive", [raw] { return raw->receive(); }, [driver] { return driver->receive(); }}};
}

}  // namespace amc::benchmarks
