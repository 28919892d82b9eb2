#include "queue_system/rabbitmq/rabbitmq.hpp"

#include <deque>
#include <map>
#include <set>

#include "queue_system/driver.hpp"
#include "queue_system/rabbitmq/connection.hpp"

namespace amc::queue_system {
namespace {

using rabbitmq::connection;
using rabbitmq::watchdog;
using clock = std::chrono::steady_clock;

amqp_bytes_t bytes_of(const std::string& text) {
  return {text.size(), const_cast<char*>(text.data())};
}

std::string text_of(const amqp_bytes_t& bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}

/// Where the server says no to `work`, names the right that is missing.
template <class Work>
void with_right_to(const std::string& what, const Work& work) {
  try {
    work();
  } catch (const unavailable& failed) {
    if (failed.why() != unavailable::reason::refused) throw;
    throw unavailable(failed.why(),
                      failed.what() + ("; the user of queue_system.rabbitmq.url needs the right to " + what));
  }
}

/// A connection that publishes, and what has been published over it and not confirmed yet.
class publishing {
 public:
  publishing(const rabbitmq_options& options, watchdog& guards) : link_(options, guards, "publisher") {
    const auto guard = link_.guarded(options.answer_timeout);
    amqp_confirm_select(link_.handle(), connection::channel);
    link_.check(amqp_get_rpc_reply(link_.handle()), "asking for confirms");
    with_right_to("write to amq.default (to publish to any queue)", [this] { prove_the_right(); });
  }

  /// Publishes all and waits for the confirms. Returns what did not get into its queue: the queue has been deleted, or
  /// has just been made and is not ready yet (a quorum queue then refuses).
  std::vector<outgoing> publish(std::span<const outgoing> batch) {
    refuse_when_blocked();
    left_over_.clear();
    const auto window = link_.options().publish_window;
    while (!batch.empty()) {
      const auto count = std::min(batch.size(), window - unconfirmed_.size());
      send(batch.first(count));
      batch = batch.subspan(count);
      await_confirms(batch.empty() ? 0 : window / 2);
    }
    for (const auto& out : left_over_) names_.erase(out.queue);
    return std::move(left_over_);
  }

  std::size_t depth(const std::string& queue) {
    refuse_when_blocked();
    return link_.declare(queue);
  }

  /// Over a new connection a blocked server would take, later, what is sent with every try.
  bool is_blocked() const { return !link_.blocked().empty(); }

  /// Takes note of what the server has said since the last call.
  bool is_up() {
    try {
      const auto guard = link_.guarded(link_.options().answer_timeout);
      while (const auto frame = link_.next_frame(milliseconds(0))) note(*frame);
      link_.release_buffers();
      return true;
    } catch (const unavailable&) {
      return false;
    }
  }

 private:
  /// Without this right the server takes all but what is published, and closes the channel then: depths would be told
  /// while nothing can be rung. What this sends reaches nobody, since no queue has an empty name.
  void prove_the_right() {
    const outgoing nothing;
    send_to("", false, nothing);
    try {
      await_confirms(0);
    } catch (const unavailable&) {
      if (!is_blocked()) throw;  // it will be told when the server takes something again
    }
  }

  /// A blocked server reads nothing: what is sent would arrive later, once for each try.
  void refuse_when_blocked() const {
    if (is_blocked())
      throw unavailable(unavailable::reason::away, "rabbitmq: the server takes nothing to publish: " + link_.blocked());
  }

  void send(std::span<const outgoing> batch) {
    for (const auto& out : batch)
      if (!names_.contains(out.queue)) {
        link_.declare(out.queue);
        names_[out.queue] = link_.options().prefix + out.queue;
      }
    const auto guard = link_.guarded(link_.options().answer_timeout);
    for (const auto& out : batch) send_to(names_[out.queue], true, out);
  }

  void send_to(const std::string& name, bool mandatory, const outgoing& out) {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG;
    properties.delivery_mode = link_.options().type == rabbitmq_options::queue_type::transient ? 1 : 2;
    properties.content_type = amqp_cstring_bytes("application/cloudevents+json");
    const int status = amqp_basic_publish(link_.handle(), connection::channel, amqp_empty_bytes, bytes_of(name),
                                          mandatory, false, &properties, bytes_of(out.bytes));
    link_.check(status, "publishing");
    unconfirmed_.emplace(++last_tag_, &out);
  }

  void await_confirms(std::size_t at_most) {
    const deadline patience(link_.options().answer_timeout);
    const auto guard = link_.guarded(2 * link_.options().answer_timeout);
    while (unconfirmed_.size() > at_most) {
      const auto frame = link_.next_frame(patience.left());
      if (frame) note(*frame);
      link_.release_buffers();
      if (is_blocked() || (!frame && patience.is_over())) give_up_waiting();
    }
  }

  [[noreturn]] void give_up_waiting() {
    const auto left = std::exchange(unconfirmed_, {});  // their confirms may still come, and are nobody's business then
    refuse_when_blocked();
    // not covered: takes a server that takes what is published and confirms nothing
    throw unavailable(unavailable::reason::away, "rabbitmq: " + std::to_string(left.size()) +
                                                     " events (the first for queue \"" + link_.options().prefix +
                                                     left.begin()->second->queue + "\") were not confirmed within " +
                                                     std::to_string(link_.options().answer_timeout.count()) +
                                                     " ms (queue_system.rabbitmq.answer_timeout_ms)");
  }

  void note(const amqp_frame_t& frame) {
    if (frame.frame_type != AMQP_FRAME_METHOD) return;
    const auto& method = frame.payload.method;
    if (method.id == AMQP_BASIC_ACK_METHOD) {
      const auto* ack = static_cast<const amqp_basic_ack_t*>(method.decoded);
      settle(ack->delivery_tag, ack->multiple, [](const outgoing&) {});
    } else if (method.id == AMQP_BASIC_NACK_METHOD) {
      const auto* nack = static_cast<const amqp_basic_nack_t*>(method.decoded);
      settle(nack->delivery_tag, nack->multiple, [this](const outgoing& out) { left_over_.push_back(out); });
    } else if (method.id == AMQP_BASIC_RETURN_METHOD) {
      // The ack that follows it only says that the server has dealt with it.
      const auto name = text_of(static_cast<const amqp_basic_return_t*>(method.decoded)->routing_key);
      left_over_.push_back({name.substr(link_.options().prefix.size()), link_.read_body()});
    }
  }

  template <class Each>
  void settle(std::uint64_t tag, bool multiple, const Each& each) {
    const auto begin = multiple ? unconfirmed_.begin() : unconfirmed_.find(tag);
    const auto end = unconfirmed_.upper_bound(tag);
    if (begin == unconfirmed_.end()) return;
    for (auto it = begin; it != end; ++it) each(*it->second);
    unconfirmed_.erase(begin, end);
  }

  connection link_;
  std::map<std::string, std::string> names_;              ///< at the server, of the queues that are declared
  std::map<std::uint64_t, const outgoing*> unconfirmed_;  ///< of the batch that is being published
  std::uint64_t last_tag_ = 0;
  std::vector<outgoing> left_over_;
};

/// One subscription over one connection.
class subscription {
 public:
  subscription(const rabbitmq_options& options, std::shared_ptr<watchdog> guards, const std::string& queue,
               std::size_t prefetch)
      : guards_(std::move(guards)),
        name_(options.prefix + queue),
        link_(options, *guards_, "subscriber of " + name_),
        last_heard_(clock::now()) {
    link_.declare(queue);
    const auto guard = link_.guarded(2 * options.answer_timeout);
    const auto window = static_cast<std::uint16_t>(std::min<std::size_t>(prefetch, UINT16_MAX));
    amqp_basic_qos(link_.handle(), connection::channel, 0, window, false);
    link_.check(amqp_get_rpc_reply(link_.handle()), "setting the prefetch");
    amqp_basic_consume(link_.handle(), connection::channel, bytes_of(name_), amqp_empty_bytes, false, false, false,
                       amqp_empty_table);
    link_.check(amqp_get_rpc_reply(link_.handle()), "consuming from \"" + name_ + "\"");
    link_.release_buffers();
  }

  std::vector<incoming> receive(std::size_t max, milliseconds longest) {
    const auto guard = link_.guarded(longest + link_.options().answer_timeout);
    const deadline patience(longest);
    // With no room this only lets the heartbeats move.
    while (early_.size() < std::max<std::size_t>(max, 1)) {
      const bool waits = early_.empty() && max > 0;
      const auto frame = link_.next_frame(waits ? patience.left() : milliseconds(0));
      if (frame)
        note(*frame);
      else if (!waits || patience.is_over())
        break;
    }
    link_.release_buffers();
    if (!early_.empty()) last_heard_ = clock::now();
    const auto end = early_.begin() + static_cast<std::ptrdiff_t>(std::min(max, early_.size()));
    std::vector<incoming> received(std::make_move_iterator(early_.begin()), std::make_move_iterator(end));
    early_.erase(early_.begin(), end);
    return received;
  }

  /// When a quorum queue is deleted and declared again at once, the server may neither tell its consumers nor deliver
  /// anything to them any more.
  bool may_be_deaf() const { return unsettled_.empty() && clock::now() - last_heard_ >= link_.options().resubscribe; }

  void acknowledge(std::span<const std::uint64_t> tags) {
    const auto known = settle(tags);
    if (known.empty()) return;
    const auto guard = link_.guarded(link_.options().answer_timeout);
    // Everything below the oldest that is still unsettled goes in one.
    const auto oldest = unsettled_.empty() ? UINT64_MAX : *unsettled_.begin();
    const auto single = std::lower_bound(known.begin(), known.end(), oldest);
    if (single != known.begin()) ack(*std::prev(single), true);
    for (auto tag = single; tag != known.end(); ++tag) ack(*tag, false);
  }

  void give_back(std::span<const std::uint64_t> tags) {
    const auto guard = link_.guarded(link_.options().answer_timeout);
    for (const auto tag : settle(tags))
      link_.check(amqp_basic_nack(link_.handle(), connection::channel, tag, false, true), "giving back");
  }

 private:
  void note(const amqp_frame_t& frame) {
    if (frame.frame_type != AMQP_FRAME_METHOD) return;
    const auto& method = frame.payload.method;
    if (method.id == AMQP_BASIC_CANCEL_METHOD)
      throw unavailable(unavailable::reason::away, "rabbitmq: queue \"" + name_ + "\" was deleted");
    if (method.id != AMQP_BASIC_DELIVER_METHOD) return;
    const auto tag = static_cast<const amqp_basic_deliver_t*>(method.decoded)->delivery_tag;
    early_.push_back({tag, link_.read_body()});
    unsettled_.insert(tag);
  }

  /// Those of the tags that are unsettled, in order; they are settled then.
  std::vector<std::uint64_t> settle(std::span<const std::uint64_t> tags) {
    std::vector<std::uint64_t> known;
    for (const auto tag : tags)
      if (unsettled_.erase(tag) > 0) known.push_back(tag);
    std::sort(known.begin(), known.end());
    return known;
  }

  void ack(std::uint64_t tag, bool multiple) {
    link_.check(amqp_basic_ack(link_.handle(), connection::channel, tag, multiple), "acknowledging");
  }

  std::shared_ptr<watchdog> guards_;
  std::string name_;
  connection link_;
  clock::time_point last_heard_;
  std::deque<incoming> early_;  ///< read from the connection, not received yet
  std::set<std::uint64_t> unsettled_;
};

class subscriber : public queue_subscriber {
 public:
  subscriber(rabbitmq_options options, std::shared_ptr<watchdog> guards, std::string queue, std::size_t prefetch)
      : options_(std::move(options)), guards_(std::move(guards)), queue_(std::move(queue)), prefetch_(prefetch) {
    subscribe();
  }

  std::vector<incoming> receive(std::size_t max, milliseconds longest) override {
    // Nothing is unsettled then, so no tag of the old one is still to come.
    if (current_->may_be_deaf()) subscribe();
    return current_->receive(max, longest);
  }
  void acknowledge(std::span<const std::uint64_t> tags) override { current_->acknowledge(tags); }
  void give_back(std::span<const std::uint64_t> tags) override { current_->give_back(tags); }

 private:
  void subscribe() {
    current_.reset();
    current_ = std::make_unique<subscription>(options_, guards_, queue_, prefetch_);
  }

  rabbitmq_options options_;
  std::shared_ptr<watchdog> guards_;
  std::string queue_;
  std::size_t prefetch_;
  std::unique_ptr<subscription> current_;
};

bool is_precondition_failed(const amqp_rpc_reply_t& reply) {
  return reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD &&
         static_cast<const amqp_channel_close_t*>(reply.reply.decoded)->reply_code == AMQP_PRECONDITION_FAILED;
}

/// Asks to consume with a priority that is no number: the server looks at the user's rights first, and refuses that
/// afterwards. So nothing is taken out of the queue.
void prove_the_right_to_consume(connection& link, const std::string& name) {
  const auto guard = link.guarded(link.options().answer_timeout);
  amqp_table_entry_t priority{amqp_cstring_bytes("x-priority"), {}};
  priority.value.kind = AMQP_FIELD_KIND_UTF8;
  priority.value.value.bytes = amqp_cstring_bytes("none");
  const amqp_table_t arguments{1, &priority};
  amqp_basic_consume(link.handle(), connection::channel, bytes_of(name), amqp_empty_bytes, false, false, false,
                     arguments);
  const auto reply = amqp_get_rpc_reply(link.handle());
  if (!is_precondition_failed(reply)) link.check(reply, "consuming from \"" + name + "\"");
}

class rabbitmq_platform : public platform {
 public:
  explicit rabbitmq_platform(rabbitmq_options options) : options_(std::move(options)) {}

  amc::capabilities capabilities() const override { return {}; }

  void check(std::span<const std::string> published, std::span<const std::string> received) override {
    {
      connection link(options_, *guards_, "check");
      for (const auto& queue : published) link.declare(queue);
    }
    if (!published.empty()) publishing(options_, *guards_);
    for (const auto& queue : received) {
      connection link(options_, *guards_, "check");  // each of its own: the answer closes its channel
      link.declare(queue);
      const auto name = options_.prefix + queue;
      with_right_to("read \"" + name + "\" (to receive)", [&] { prove_the_right_to_consume(link, name); });
    }
  }

  std::unique_ptr<queue_publisher> make_publisher() override {
    return std::make_unique<reconnecting_publisher<publishing>>(
        "rabbitmq at " + mask_url(options_.url),
        [options = options_, guards = guards_] { return std::make_unique<publishing>(options, *guards); });
  }

  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) override {
    return std::make_unique<subscriber>(options_, guards_, queue, prefetch);
  }

 private:
  rabbitmq_options options_;
  std::shared_ptr<watchdog> guards_ = std::make_shared<watchdog>();
};

}  // namespace

std::shared_ptr<platform> make_rabbitmq(rabbitmq_options options) {
  // A queue's name has up to 200 bytes, and the server takes 255 together.
  constexpr std::size_t prefix_max = 55;
  if (options.prefix.size() > prefix_max)
    throw config_error("queue_system.prefix: \"" + options.prefix + "\" has more than " + std::to_string(prefix_max) +
                       " bytes; RabbitMQ has no room for it before the name of a queue");
  if (options.prefix.starts_with("amq."))
    throw config_error("queue_system.prefix: \"" + options.prefix +
                       "\" begins with \"amq.\", which RabbitMQ keeps for itself; take another");
  if (!rabbitmq::parse_address(options.url))
    throw config_error(
        "queue_system.rabbitmq.url: \"" + mask_url(options.url) +
        "\" is not like amqp://USER:PASSWORD@HOST:PORT/VHOST, with HOST:PORT,HOST:PORT for the nodes of a cluster");
  return std::make_shared<rabbitmq_platform>(std::move(options));
}

}  // namespace amc::queue_system
