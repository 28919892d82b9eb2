#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "amc/message.hpp"

/// Services of one's own. A service takes the messages of one queue from a broker, over HTTP; its handler gets each as
/// a delivery and returns an answer. What the handler needs not care for: configuration, logs, metrics, health, how
/// many run at once, leases, retries, a broker that is away, and an orderly end.
///
///     #include <amc/service.hpp>
///     int main(int argc, char** argv) {
///       return amc::serve(argc, argv, {{"greeter", "names", [](const amc::delivery& name) {
///         return amc::answer("Hello, " + name.text() + "!").done();
///       }}});
///     }
namespace amc {

struct claimed_revision;

/// One revision of a message that a handler is to work on. It may be delivered again: when its service died, its lease
/// ran out, or its handler failed. So (`id`, `revision`), or `key`, is the idempotency key for whatever the handler
/// changes elsewhere. Copies are cheap and share what they hold. For any thread; never changes.
class AMC_EXPORT delivery {
 public:
  /// For tests of handlers: of a message that nobody has posted, with an id of its own.
  explicit delivery(std::string text, content_form form = content_form::text, std::string queue = "",
                    std::vector<amc::header> headers = {});
  explicit delivery(std::shared_ptr<const claimed_revision> inner) : inner_(std::move(inner)) {}

  /// A UUID of 36 characters; the same for all revisions.
  std::string id() const;
  /// 1, 2, …: grows by one with every answer.
  int revision() const;
  /// "ID/REVISION": the same each time this revision is delivered.
  std::string key() const;

  /// The content: a text in UTF-8, the JSON of a value as it was sent, or bytes, as `form` says. Valid as long as a
  /// copy of this delivery.
  const std::string& text() const;
  content_form form() const;
  /// Empty where none was told, and the content is a text.
  const std::string& content_type() const;
  const std::vector<amc::header>& headers() const;
  /// The value of the header with this name, as it is written.
  std::optional<std::string> header(std::string_view name) const;

  /// The number of the claim that it was delivered under, as the broker's logs tell it. No two deliveries have the
  /// same.
  std::int64_t claim() const;
  /// The queue that it was in; empty where the broker does not tell (0.1.0).
  const std::string& queue() const;
  /// How often this revision was given out without an answer, this time included; 0 where the broker does not tell.
  int attempt() const;
  /// When the message was posted.
  std::optional<timestamp> created_at() const;
  /// W3C trace context; empty where the requester told none.
  const std::string& traceparent() const;
  const std::string& tracestate() const;

 private:
  std::shared_ptr<const claimed_revision> inner_;
};

/// What a handler hands back: the message's next content, and where it goes. Without `to` or `done` the broker's routes
/// decide, by the content. What the broker does not take (no route, an ill-formed queue, not UTF-8, too large) is a
/// failure of the handler, and told as one.
class AMC_EXPORT answer {
 public:
  /// A text, in UTF-8.
  answer(std::string text) : text_(std::move(text)) {}
  answer(const char* text) : text_(text) {}
  /// A JSON value, as its JSON.
  static answer json(std::string value);
  static answer bytes(std::string any, std::string content_type = "");

  /// It waits in this queue next: 1 to 100 characters of A–Z a–z 0–9 . _ - Of `to` and `done` the last one counts.
  answer& to(std::string queue) &;
  answer&& to(std::string queue) && { return std::move(to(std::move(queue))); }
  /// The message is finished.
  answer& done() &;
  answer&& done() && { return std::move(done()); }
  answer& content_type(std::string type) &;
  answer&& content_type(std::string type) && { return std::move(content_type(std::move(type))); }
  /// Instead of those that the message had, which otherwise stay.
  answer& headers(std::vector<amc::header> all) &;
  answer&& headers(std::vector<amc::header> all) && { return std::move(headers(std::move(all))); }

  const std::string& text() const { return text_; }
  content_form form() const { return form_; }
  const std::string& content_type() const { return content_type_; }
  const std::optional<std::vector<amc::header>>& headers() const { return headers_; }
  const std::optional<std::string>& queue() const { return queue_; }
  bool is_done() const { return done_; }

 private:
  std::string text_;
  content_form form_ = content_form::text;
  std::string content_type_;
  std::optional<std::vector<amc::header>> headers_;
  std::optional<std::string> queue_;
  bool done_ = false;
};

/// Thrown by a handler for what trying again would not help: the message is dead at once, with this as its reason.
/// Anything else that is thrown is a failure, and the message is tried again after a pause, as its queue's policy says.
class AMC_EXPORT reject : public std::runtime_error {
 public:
  explicit reject(const std::string& reason) : std::runtime_error(reason) {}
  ~reject() override;
};

/// The end of an asynchronous handler's work on one delivery, told once, from any thread. Copies are for the same
/// delivery. When the last copy goes away and nothing was told, that is a failure.
class AMC_EXPORT completion {
 public:
  struct state;
  explicit completion(std::shared_ptr<state> of) : state_(std::move(of)) {}

  /// Each returns false, and changes nothing, where an end was told before. True says that this one was the first, and
  /// not that the broker takes it: after the handler's time, or once its claim is lost, it counts for nothing.
  bool answer(amc::answer said) const;
  bool fail(std::string reason) const;    ///< tried again after a pause
  bool reject(std::string reason) const;  ///< dead at once

 private:
  std::shared_ptr<state> state_;
};

/// A service's function. Either it returns an answer (anything that `answer` can be made from), and each delivery in
/// hand has a thread of its own; or it takes a completion and returns soon, having begun what will complete it later
/// from any thread: then one thread calls it for all deliveries. A lambda is one or the other by its parameters.
class AMC_EXPORT handler {
 public:
  template <class Function>
    requires std::is_invocable_r_v<answer, Function&, const delivery&>
  handler(Function function)
      : call_([function = std::move(function)](const delivery& work, const completion& end) mutable {
          end.answer(function(work));
        }) {}

  template <class Function>
    requires std::is_invocable_v<Function&, const delivery&, completion>
  handler(Function function) : call_(std::move(function)), asynchronous_(true) {}

  handler() = default;
  void operator()(const delivery& work, const completion& end) const { call_(work, end); }
  bool is_asynchronous() const { return asynchronous_; }
  explicit operator bool() const { return static_cast<bool>(call_); }

 private:
  std::function<void(const delivery&, const completion&)> call_;
  bool asynchronous_ = false;
};

struct service_definition {
  std::string name{};   ///< in logs, and in what the broker tells about who worked on a message
  std::string queue{};  ///< where its messages wait; no two services of one process have the same
  amc::handler handler{};
  /// Whether a call may take long: then each delivery in hand has a thread of its own. Without it all calls share one
  /// thread with the service's own work, which is quicker for what only computes a little.
  bool blocking = true;
};

/// Runs services until SIGTERM or SIGINT, then takes nothing new, lets handlers end for up to
/// `consumer_services.drain_timeout_ms`, releases what is left, and returns the exit code: 0 stopped, 1 failed, 2 wrong
/// usage or configuration, which it has told on stderr. Waits at the start until the broker is there, for up to
/// `app.startup_timeout_ms`.
///
/// Configuration: files in config/autoload (or `--config DIR`), then variables such as
/// AMC__CONSUMER_SERVICES__BROKER_CLIENT__URL, then `--set KEY=VALUE`; `--help` prints every key. What such a folder
/// says about a broker (`broker.…`, `queue_system.…`) is not looked at.
///
/// Handlers that still run after the drain end with the process. Call it once, from main.
AMC_EXPORT int serve(int argc, char** argv, std::vector<service_definition> services);

/// The same inside a process that has a main of its own, or in a test.
class AMC_EXPORT serving {
 public:
  /// Runs the services from now on. `sets`: "KEY=VALUE", over the defaults; neither files nor the environment are read.
  /// Throws std::runtime_error, with one line that says what to do, for a wrong configuration; does not wait for the
  /// broker: it is waited for with every request.
  explicit serving(std::vector<service_definition> services, std::vector<std::string> sets = {});
  /// As `stop` with a second.
  ~serving();
  serving(const serving&) = delete;
  serving& operator=(const serving&) = delete;

  /// Takes nothing new, lets handlers end within `longest`, and releases the rest. False where handlers still run: then
  /// what they need is left to them.
  bool stop(milliseconds longest);

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace amc
