#include "queue_system/nats/nats.hpp"

#include <boost/json/serialize.hpp>
#include <deque>
#include <map>
#include <thread>

#include "queue_system/driver.hpp"
#include "queue_system/nats/connection.hpp"

namespace amc::queue_system {
namespace {

namespace json = boost::json;
using nats::connection;
using nats::message;
using nats::place;
using clock = std::chrono::steady_clock;

enum : std::int64_t { js_consumer_not_found = 10'014, js_stream_not_found = 10'059 };

/// A connection that publishes, and what has been published over it and not confirmed yet.
class publishing {
 public:
  explicit publishing(const nats_options& options) : link_(options, "publisher") { link_.make_stream(); }

  /// Publishes all and waits for the confirms. Returns what nobody took: the stream has been deleted.
  std::vector<outgoing> publish(std::span<const outgoing> batch) {
    unconfirmed_.clear();
    if (std::exchange(untaken_, 0) > 0) link_.make_stream();
    const auto window = link_.options().publish_window;
    for (const auto& out : batch) {
      const auto number = link_.new_number();
      unconfirmed_.emplace(number, &out);
      link_.send(place_of(out.queue).subject, link_.reply_subject(number), out.bytes);
      if (unconfirmed_.size() >= window + untaken_) await_confirms(window / 2);
    }
    await_confirms(0);
    std::vector<outgoing> untaken;
    for (const auto& [number, out] : unconfirmed_) untaken.push_back(*out);
    return untaken;
  }

  std::size_t depth(const std::string& queue) {
    const auto where = place_of(queue);
    auto known = link_.ask("CONSUMER.INFO." + where.stream + "." + where.consumer);
    const auto code = nats::error_code_of(known);
    if (code == js_consumer_not_found || code == js_stream_not_found)
      known = link_.make_consumer(where);
    else if (code != 0)
      // not covered: takes a cluster that has no leader in that moment
      link_.refuse(known, "asking for the depth of \"" + where.consumer + "\"");
    return known.at("num_pending").to_number<std::size_t>() + known.at("num_ack_pending").to_number<std::size_t>();
  }

  bool is_up() const { return link_.is_up(); }

  /// Throws unless this user may publish to the queue. What this sends, the stream does not take.
  void prove_the_right_to_publish(const std::string& queue) {
    const auto where = place_of(queue);
    const auto number = link_.new_number();
    link_.send_expecting("no-" + where.stream, where.subject, link_.reply_subject(number));
    link_.answer_to(number, "trying to publish to \"" + where.subject + "\"");
  }

  /// Throws unless this user may receive from it. This asks in no way that a server understands: nothing is taken out
  /// of the queue.
  void prove_the_right_to_receive(const std::string& queue) {
    const auto where = place_of(queue);
    link_.make_consumer(where);
    const auto number = link_.new_number();
    link_.send(nats::pull_subject(where), link_.reply_subject(number), "{");
    link_.answer_to(number, "trying to receive from \"" + where.subject + "\"");
  }

 private:
  place place_of(const std::string& queue) const { return nats::place_of(link_.options().prefix, queue); }

  /// Those that nobody took are among the unconfirmed, and counted.
  void await_confirms(std::size_t at_most) {
    const auto longest = link_.options().answer_timeout;
    auto deadline = clock::now() + longest;
    while (unconfirmed_.size() > at_most + untaken_) {
      const auto confirm = link_.next(std::chrono::ceil<milliseconds>(deadline - clock::now()));
      const auto unheard = link_.unheard();
      untaken_ += unheard;
      if (unheard > 0 || (confirm && note(*confirm))) deadline = clock::now() + longest;
      if (clock::now() >= deadline)
        // not covered: takes a server that answers pings and confirms nothing
        link_.fail(unavailable::reason::away,
                   std::to_string(unconfirmed_.size()) + " events were not confirmed within " +
                       std::to_string(longest.count()) + " ms (queue_system.nats.answer_timeout_ms)");
    }
  }

  /// Whether it is about this batch.
  bool note(natsMsg& confirm) {
    const auto found = unconfirmed_.find(link_.number_of(confirm));
    if (found == unconfirmed_.end()) return false;
    if (nats::bytes_of(confirm).find("\"error\"") != std::string_view::npos)
      link_.refuse(nats::object_of(confirm), "publishing to \"" + place_of(found->second->queue).subject + "\"");
    unconfirmed_.erase(found);
    return true;
  }

  connection link_;
  std::map<std::uint64_t, const outgoing*> unconfirmed_;  ///< of the batch that is being published
  std::size_t untaken_ = 0;                               ///< of those
};

class subscriber : public queue_subscriber {
 public:
  subscriber(const nats_options& options, const std::string& queue, std::size_t prefetch)
      : place_(nats::place_of(options.prefix, queue)),
        link_(options, "subscriber of " + options.prefix + queue),
        unsettled_(prefetch),
        last_heard_(clock::now()),
        last_touch_(last_heard_) {
    link_.make_consumer(place_);
  }

  ~subscriber() override {
    try {
      for (const auto& reply : unsettled_.settle_all()) link_.send(reply, "", "-NAK");
    } catch (const unavailable&) {
      // It comes again when queue_system.nats.ack_wait_ms is over.
    }
  }

  std::vector<incoming> receive(std::size_t max, milliseconds longest) override {
    touch();
    if (early_.empty()) wait_for(unsettled_.room(max), longest);
    const auto end = early_.begin() + static_cast<std::ptrdiff_t>(std::min(max, early_.size()));
    std::vector<incoming> received(std::make_move_iterator(early_.begin()), std::make_move_iterator(end));
    early_.erase(early_.begin(), end);
    return received;
  }

  void acknowledge(std::span<const std::uint64_t> tags) override { settle(tags, "+ACK"); }
  void give_back(std::span<const std::uint64_t> tags) override { settle(tags, "-NAK"); }

 private:
  /// Until something is there, and the server has said that this is all, or the time is over.
  void wait_for(std::size_t max, milliseconds longest) {
    // The server says when its time is over, unless something came in that moment.
    constexpr milliseconds grace{100};
    const deadline patience(longest), server_patience(longest + grace);
    for (bool first = true; early_.size() < std::max<std::size_t>(max, 1); first = false) {
      if (asked_ == 0 && max > 0) ask_for(max, first ? longest : patience.left());
      const auto arrived = link_.next((asked_ > 0 ? server_patience : patience).left());
      if (link_.unheard() > 0)
        // not covered: a server tells it where no pull was under way, between two of ours
        link_.fail(unavailable::reason::away, "\"" + place_.subject + "\": its consumer was deleted");
      if (arrived) note(*arrived);
      if (!arrived || (asked_ == 0 && (!early_.empty() || patience.is_over()))) break;
      // Others have asked for all that is there.
      if (asked_ == 0) std::this_thread::sleep_for(std::min(milliseconds(5), patience.left()));
    }
    if (asked_ > 0 && clock::now() - last_heard_ >= link_.options().answer_timeout)
      link_.fail(unavailable::reason::away, "\"" + place_.subject + "\": no answer within " +
                                                std::to_string(link_.options().answer_timeout.count()) +
                                                " ms (queue_system.nats.answer_timeout_ms)");
    if (patience.is_over()) asked_ = 0;
  }

  /// For what is there now, or else for what comes first in this time.
  void ask_for(std::size_t count, milliseconds longest) {
    asked_ = count;
    asked_as_ = link_.new_number();
    json::object request{{"batch", count}, {"no_wait", true}};
    if (longest.count() > 0) request["expires"] = std::chrono::nanoseconds(longest).count();
    link_.send(nats::pull_subject(place_), link_.reply_subject(asked_as_), json::serialize(request));
  }

  /// An event says where it is acknowledged, and what a server says of a pull does not. Anything else is no business of
  /// this: while a cluster changes its leader two servers may answer one question.
  void note(natsMsg& arrived) {
    last_heard_ = clock::now();
    if (const char* acknowledged_at = natsMsg_GetReply(&arrived)) {
      early_.push_back({unsettled_.add(acknowledged_at), std::string(nats::bytes_of(arrived))});
      if (asked_ > 0) --asked_;
      return;
    }
    if (link_.number_of(arrived) != asked_as_) return;
    asked_ = 0;
    const auto words = nats::words_of(arrived);
    const bool is_over = words.starts_with("404") || words.starts_with("408") || words == "409 Batch Completed";
    if (!is_over) link_.fail(unavailable::reason::away, "\"" + place_.subject + "\": the server says: " + words);
  }

  void settle(std::span<const std::uint64_t> tags, std::string_view how) {
    for (const auto& reply : unsettled_.settle(tags)) link_.send(reply, "", how);
  }

  /// Tells the server that this process still works on what it has.
  void touch() {
    const auto now = clock::now();
    if (now - last_touch_ < link_.options().ack_wait / 3) return;
    last_touch_ = now;
    for (const auto& [tag, reply] : unsettled_.all()) link_.send(reply, "", "+WPI");
  }

  place place_;
  connection link_;
  std::deque<incoming> early_;               ///< arrived, not received yet
  unsettled_events<std::string> unsettled_;  ///< where each is answered
  std::size_t asked_ = 0;                    ///< may still arrive
  std::uint64_t asked_as_ = 0;
  clock::time_point last_heard_, last_touch_;
};

class nats_platform : public platform {
 public:
  explicit nats_platform(nats_options options) : options_(std::move(options)) {}

  amc::capabilities capabilities() const override { return {}; }

  void check(std::span<const std::string> published, std::span<const std::string> received) override {
    publishing trial(options_);
    for (const auto& queue : published) trial.prove_the_right_to_publish(queue);
    for (const auto& queue : received) trial.prove_the_right_to_receive(queue);
  }

  std::unique_ptr<queue_publisher> make_publisher() override {
    return std::make_unique<reconnecting_publisher<publishing>>(
        "nats at " + mask_url(options_.url), [options = options_] { return std::make_unique<publishing>(options); });
  }

  std::unique_ptr<queue_subscriber> make_subscriber(const std::string& queue, std::size_t prefetch) override {
    return std::make_unique<subscriber>(options_, queue, prefetch);
  }

 private:
  nats_options options_;
};

}  // namespace

std::shared_ptr<platform> make_nats(nats_options options) {
  if (!nats::parse_address(options.url))
    throw config_error("queue_system.nats.url: \"" + mask_url(options.url) +
                       "\" is not like nats://USER:PASSWORD@HOST:PORT");
  return std::make_shared<nats_platform>(std::move(options));
}

}  // namespace amc::queue_system
