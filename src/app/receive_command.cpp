#include "app/receive_command.hpp"

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <boost/url/url.hpp>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include "app/child.hpp"
#include "app/processes.hpp"
#include "app/replies.hpp"
#include "broker/configuration.hpp"
#include "broker/router.hpp"
#include "core/back_off.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "core/stop_request.hpp"
#include "core/text.hpp"
#include "core/uuid_source.hpp"
#include "core/work.hpp"
#include "telemetry/configuration.hpp"

namespace amc::app {
namespace json = boost::json;
namespace {

using clock = std::chrono::steady_clock;
constexpr const char* component = "receive";

/// What all places have in common.
class common {
 public:
  common(const config& settings, const receive_options& asked, stop_request& stop)
      : options(asked),
        broker(settings),
        handler_timeout(asked.timeout_s ? milliseconds(std::chrono::seconds(*asked.timeout_s))
                                        : settings.duration("consumer_services.handler_timeout_ms")),
        output_max_bytes(broker::message_max_bytes(settings)),
        target(target_for(asked.queue)),
        spans(settings, std::make_shared<metrics>()),
        traces(spans.of("amc-receive")),
        stop_(stop) {}

  bool draining() const { return draining_; }
  /// Nothing is waited for any more.
  bool over() const { return over_; }
  void drain() { change(draining_); }
  void end() { change(over_); }

  /// Until everything is over, or `enough`, at most so long.
  void pause(milliseconds longest) {
    std::unique_lock lock(guard_);
    changed_.wait_for(lock, longest, [&] { return over(); });
  }

  /// Waiting does not mend it.
  void give_up(const std::string& why) {
    log::error(component, why);
    boost::asio::post(stop_.executor(), [this] { stop_.fail(); });
  }

  /// One line for each absence, whoever notices it.
  void note_broker(bool reachable, const std::string& why = "") {
    if (reachable_.exchange(reachable) == reachable) return;
    if (reachable)
      log::info(component, "the broker is there again");
    else
      log::warning(component, "waits for the broker (consumer_services.broker_client.url): " + why);
  }

  const receive_options& options;
  broker_caller broker;
  const milliseconds handler_timeout;
  const std::size_t output_max_bytes;
  const std::string target;
  telemetry::traces spans;
  const std::shared_ptr<const telemetry::tracer> traces;  ///< null: nothing is traced

 private:
  static std::string target_for(const std::string& queue) {
    boost::urls::url path("/queues");
    path.segments().push_back(queue);
    path.segments().push_back("receive");
    return std::string(path.buffer());
  }

  void change(std::atomic<bool>& what) {
    const std::lock_guard lock(guard_);
    what = true;
    changed_.notify_all();
  }

  stop_request& stop_;
  std::atomic<bool> draining_ = false, over_ = false, reachable_ = true;
  std::mutex guard_;
  std::condition_variable changed_;
};

/// One message at a time, on a thread of its own. For the broker each place is a worker: its handler is a process of
/// its own, which takes no other along when it crashes.
class place {
 public:
  explicit place(common& with) : with_(with), worker_(to_string(system_uuid_source()())), thread_([this] { run(); }) {}

  bool has_ended() const { return ended_; }
  void join() { thread_.join(); }

  /// Ends its parked request, where it has one.
  void unpark() {
    if (!asking_) return;
    try {
      with_.broker.send(request({{"max", 0}, {"in_hand", 1}}), milliseconds(0));
    } catch (const unavailable&) {
      // Then nothing is parked.
    }
  }

 private:
  http::request request(json::object body) const {
    body["service"] = with_.options.service;
    body["worker"] = worker_;
    return {"POST", with_.target, {}, json::serialize(body)};
  }

  void run() {
    try {
      receive_loop();
    } catch (const std::exception& failed) {
      with_.give_up(failed.what());
    }
    ended_ = true;
  }

  /// Asked again later it may be answered otherwise.
  static bool is_for_later(int status) {
    constexpr int over_quota = 429;
    return status == over_quota || status >= 500;
  }

  void receive_loop() {
    back_off pause;
    while (!with_.over() && (!with_.draining() || !outcome_.empty())) {
      const auto reply = ask();
      const bool is_there = reply && !is_for_later(reply->status);
      with_.note_broker(is_there, is_there ? "" : away_);
      if (!is_there) {
        with_.pause(pause.next());
        continue;
      }
      pause.reset();
      constexpr int too_large = 413;
      if (reply->status == too_large && !outcome_.empty())
        fail(told_, "its answer is refused: " + reason_of(*reply));
      else if (reply->status >= 300)
        throw startup_error(reason_of(*reply));
      else
        take(reply->body);
    }
    if (!outcome_.empty()) ask();  // once more, whatever comes of it
  }

  /// Brings the outcome of the last message along. Sending it again is safe: it names its revision or claim.
  std::optional<http::response> ask() {
    constexpr std::chrono::seconds wait{20};
    json::object body = outcome_;
    body["max"] = with_.draining() ? 0 : 1;
    auto asked = request(std::move(body));
    if (!with_.draining()) asked.headers.add("Prefer", "wait=" + std::to_string(wait.count()));
    try {
      asking_ = true;
      auto reply = with_.broker.send(std::move(asked), with_.draining() ? milliseconds(0) : milliseconds(wait));
      asking_ = false;
      if (is_for_later(reply.status)) away_ = reason_of(reply);
      if (reply.status < 300) told_by(reply, "deliveries");
      return reply;
    } catch (const unavailable& failed) {
      away_ = failed.what();
      perhaps_told_ = perhaps_told_ || failed.why() == unavailable::reason::outcome_unknown;
    } catch (const startup_error& no_broker) {
      away_ = no_broker.what();
    }
    asking_ = false;
    return {};
  }

  void take(std::string_view written) {
    const auto got = read_json(written);
    outcome_.clear();
    for (const std::string_view kind : {"answers", "failures"})
      if (const auto* list = got.as_object().if_contains(kind))
        note_outcome(list->at(0).as_object(), kind == "answers");
    perhaps_told_ = false;
    const auto items = item_texts(member_text(written, "deliveries"));
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto& delivery = got.at("deliveries").at(i).as_object();
      with_.draining() ? give_back(delivery) : work(delivery, said_in(delivery, items[i]));
    }
  }

  /// What the broker does not take as an answer is a failure; what is somebody else's by now is not ours to tell.
  void note_outcome(const json::object& said, bool is_answer) {
    const auto* refused = said.if_contains("refused");
    if (!refused) return;
    const std::string why(said.at("detail").as_string());
    const auto& code = refused->as_string();
    if (code == "invalid" || code == "too_large" || code == "unroutable" || (code == "forbidden" && is_answer))
      fail(told_, "its answer is refused: " + why);
    else if (perhaps_told_)
      log::info(component, "an outcome was told again, and perhaps taken the first time: " + why, about(told_));
    else
      log::warning(component, "an outcome comes too late: " + why, about(told_));
  }

  static log::about about(const json::object& delivery) {
    return {parse_uuid(delivery.at("id").as_string()).value_or(uuid{}), delivery.at("revision").to_number<int>()};
  }

  static json::object claim_of(const json::object& delivery) {
    return {{"id", delivery.at("id")}, {"revision", delivery.at("revision")}, {"claim", delivery.at("claim")}};
  }

  void give_back(const json::object& delivery) { outcome_["releases"] = json::array{claim_of(delivery)}; }

  void fail(const json::object& delivery, const std::string& why) {
    log::warning(component, "failed: " + why, about(delivery));
    auto failed = claim_of(delivery);
    failed["error"] = kept_reason(why);
    outcome_ = {{"failures", json::array{std::move(failed)}}};
  }

  void work(const json::object& delivery, std::string said) {
    told_ = delivery;
    lost_ = false;
    lease_ = milliseconds(delivery.at("lease_ms").to_number<std::int64_t>());
    extended_ = clock::now();
    traced_ = span_of(delivery);
    const auto ended = run_child(command_for(delivery, std::move(said)));
    if (traced_) end_span(ended);
    if (lost_) return;
    if (ended.ended == child_end::how::given_up) return give_back(delivery);
    if (auto why = why_failed(ended); !why.empty()) return fail(delivery, why);
    if (!ended.errors.empty())
      log::info(component, "its handler says: " + std::string(trimmed(ended.errors)), about(delivery));
    auto answered = claim_of(delivery);
    answered.erase("claim");
    answered["message"] = answer_in(ended.output);
    if (with_.options.done) answered["done"] = true;
    if (!with_.options.to.empty()) answered["queue"] = with_.options.to;
    outcome_ = {{"answers", json::array{std::move(answered)}}};
    log::debug(component, "answered", about(delivery));
  }

  static std::string text_of(const json::object& delivery, const char* name) {
    const auto* value = delivery.if_contains(name);
    return value ? std::string(value->as_string()) : std::string();
  }

  /// Of its handler, which goes on with it (`AMC_TRACEPARENT`).
  std::optional<telemetry::span> span_of(const json::object& delivery) const {
    if (!with_.traces) return {};
    auto begun = with_.traces->begin(text_of(delivery, "traceparent"), telemetry::operation::process);
    if (!begun) return {};
    begun->tracestate = text_of(delivery, "tracestate");
    begun->message = parse_uuid(delivery.at("id").as_string()).value_or(uuid{});
    begun->revision = delivery.at("revision").to_number<int>();
    begun->claim = delivery.at("claim").to_number<std::int64_t>();
    begun->attempt = delivery.at("attempt").to_number<int>();
    begun->queue = text_of(delivery, "queue");
    return begun;
  }

  void end_span(const child_end& ended) {
    if (lost_ || ended.ended == child_end::how::given_up) {
      traced_->error_type = "late";
      traced_->error = "it was ended: its message was lost, or released at the end";
    } else if (const auto why = why_failed(ended); !why.empty()) {
      traced_->error_type = "failed";
      traced_->error = kept_reason(why);
    }
    with_.traces->end(*std::exchange(traced_, {}));
  }

  child_command command_for(const json::object& delivery, std::string said) {
    child_command what;
    what.command = with_.options.command;
    what.input = std::move(said);
    what.output_max_bytes = with_.output_max_bytes + 1;  // the line's end is not part of the answer
    constexpr std::size_t room_for_what_happened = 100;
    what.errors_kept_bytes = reason_max_bytes - room_for_what_happened;
    what.deadline = clock::now() + with_.handler_timeout;
    what.goes_on = [this] { return !with_.over() && keep_lease(); };
    what.environment = {
        "AMC_ID=" + std::string(delivery.at("id").as_string()),
        "AMC_REVISION=" + std::to_string(delivery.at("revision").to_number<int>()),
        "AMC_QUEUE=" + std::string(delivery.at("queue").as_string()),
        "AMC_ATTEMPT=" + std::to_string(delivery.at("attempt").to_number<int>()),
        "AMC_CREATED_AT=" + std::string(delivery.at("created_at").as_string()),
        "AMC_CONTENT_TYPE=" + text_of(delivery, "content_type"),
        "AMC_TRACEPARENT=" + (traced_ ? to_traceparent(traced_->context) : text_of(delivery, "traceparent")),
        "AMC_TRACESTATE=" + text_of(delivery, "tracestate")};
    return what;
  }

  /// A third of the lease has gone: one more. False when the message is somebody else's by now.
  bool keep_lease() {
    const auto third = lease_ / 3;
    if (clock::now() < extended_ + third) return true;
    extended_ = clock::now();
    http::request asked{"POST", "/leases", {}, json::serialize(json::array{claim_of(told_)})};
    try {
      const auto reply = with_.broker.send(std::move(asked), milliseconds(0));
      if (reply.status != 200) return true;
      boost::system::error_code not_json;
      const auto all = read_json(reply.body, not_json);
      if (not_json || !all.is_array() || all.get_array().size() != 1) return true;
      const auto said = all.get_array().front().as_object();
      lost_ = said.contains("refused");
      if (lost_) log::warning(component, "lost: " + std::string(said.at("detail").as_string()), about(told_));
    } catch (const unavailable&) {
      // It may be back before the lease is over.
    }
    return !lost_;
  }

  /// Empty where it has not.
  std::string why_failed(const child_end& ended) const {
    using how = child_end::how;
    const auto says = [&](std::string what) {
      const auto errors = trimmed(ended.errors);
      return errors.empty() ? what : what + ": " + std::string(errors);
    };
    const auto limit = std::to_string(with_.output_max_bytes) + " bytes (broker.message_max_bytes)";
    switch (ended.ended) {
      case how::signalled:
        return says("its handler was ended by signal " + std::to_string(ended.code));
      case how::out_of_time:
        return says("its handler took longer than " + std::to_string(with_.handler_timeout.count()) +
                    " ms (--timeout, or consumer_services.handler_timeout_ms)");
      case how::too_much_output:
        return "its handler wrote more than " + limit;
      case how::given_up:
      case how::exited:
        break;
    }
    if (ended.code != 0) return says("exit code " + std::to_string(ended.code));
    const auto answer = answer_in(ended.output);
    if (answer.size() > with_.output_max_bytes) return "its handler wrote more than " + limit;
    if (const auto good = valid_utf8_prefix(answer); good < answer.size())
      return "what its handler wrote is not UTF-8 at byte " + std::to_string(good);
    if (answer.find('\0') != std::string_view::npos) return "what its handler wrote contains U+0000";
    return {};
  }

  /// Without the end of the last line, as shells take the output of a command.
  static std::string_view answer_in(std::string_view output) {
    if (output.ends_with('\n')) output.remove_suffix(1);
    return output;
  }

  common& with_;
  const std::string worker_;
  json::object told_{};        ///< the latest delivery
  json::object outcome_{};     ///< what is still to be told: "answers", "failures" or "releases"
  std::string away_{};         ///< why the broker could not be asked
  bool perhaps_told_ = false;  ///< the outcome: a lost connection may have carried it
  milliseconds lease_{};
  clock::time_point extended_{};
  bool lost_ = false;
  std::optional<telemetry::span> traced_{};  ///< of the handler that runs; nothing where its message is not traced
  std::atomic<bool> asking_ = false, ended_ = false;
  std::thread thread_;  // the last: it uses the others
};

/// Lets every place end what it has in hand.
void drain(common& with, std::list<place>& places, milliseconds longest) {
  const auto deadline = clock::now() + longest;
  with.drain();
  const auto all_ended = [&] {
    return std::all_of(places.begin(), places.end(), [](const auto& p) { return p.has_ended(); });
  };
  // Again and again: a request may be on its way, to be parked behind this.
  while (!all_ended() && clock::now() < deadline) {
    for (auto& p : places)
      if (clock::now() < deadline) p.unpark();
    std::this_thread::sleep_for(milliseconds(50));
  }
  if (!all_ended())
    log::warning(component, "handlers are still running after " + std::to_string(longest.count()) +
                                " ms (consumer_services.drain_timeout_ms); they are killed, and their messages come "
                                "round again");
  with.end();
  for (auto& p : places) p.join();
}

}  // namespace

namespace {

/// A route may name a queue otherwise.
void check_name(const config& settings, const std::string& queue, const char* where) {
  if (!is_queue_name(queue) && !broker::router(settings).names(queue))
    throw config_error(std::string(where) + "a queue's name has 1 to 100 characters of A-Z a-z 0-9 . _ -, not " +
                       repeated(queue));
}

}  // namespace

int receive_command(const config& settings, const receive_options& asked) {
  check_name(settings, asked.queue, "");
  if (!asked.to.empty()) check_name(settings, asked.to, "--to: ");
  stop_request stop;
  common with(settings, asked, stop);
  std::list<place> places;
  for (int i = 0; i < asked.concurrency; ++i) places.emplace_back(with);
  log::info(component, "takes messages from " + asked.queue);
  const int exit_code = stop.wait();
  drain(with, places, settings.duration("consumer_services.drain_timeout_ms"));
  return exit_code;
}

}  // namespace amc::app
