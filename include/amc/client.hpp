#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "amc/message.hpp"

/// Posts messages to a broker over HTTP, and reads what became of them.
///
///     amc::client broker("http://127.0.0.1:4000");
///     const auto came = broker.post_and_wait(amc::new_message("Hi, ").to("names"), std::chrono::seconds(10));
///     if (came.state == amc::status::done) std::cout << came.text << "\n";
namespace amc {

/// A message to be posted. Without `to` or `done` the broker's routes decide where it goes, by its content.
class AMC_EXPORT new_message {
 public:
  /// A text, in UTF-8.
  new_message(std::string text) : text_(std::move(text)) {}
  new_message(const char* text) : text_(text) {}
  /// A JSON value, as its JSON; what is none, or nested too deep, is `refused` when it is posted.
  static new_message json(std::string value);
  static new_message bytes(std::string any, std::string content_type = "");

  /// It waits in this queue.
  new_message& to(std::string queue);
  /// It is finished as it is.
  new_message& done();
  new_message& content_type(std::string type);
  /// Up to `headers_max`; they stay for the whole conversation, until an answer replaces them.
  new_message& headers(std::vector<header> all);
  /// No sooner than this (the broker's clock).
  new_message& deliver_at(timestamp when);
  /// Expired when it is still pending then.
  new_message& expires_at(timestamp when);
  /// The same key again, with the same message, is the same message again, as long as the broker keeps it
  /// (`broker.idempotency_ms`): 1 to 255 printable ASCII characters. Without one the client takes a key of its own for
  /// each message.
  new_message& idempotency_key(std::string key);
  /// W3C trace context; what is not well formed is left out.
  new_message& trace(std::string traceparent, std::string tracestate = "");

 private:
  friend class client;
  struct parts;
  std::string text_;
  content_form form_ = content_form::text;
  std::string content_type_;
  std::vector<header> headers_;
  std::string queue_;
  bool done_ = false;
  std::optional<timestamp> deliver_at_;
  std::optional<timestamp> expires_at_;
  std::string key_;
  std::string traceparent_;
  std::string tracestate_;
};

/// A message, as the broker tells it.
struct message_state {
  std::string id{};  ///< a UUID of 36 characters
  int revision = 0;  ///< 1, 2, …
  status state = status::pending;
  std::string text{};  ///< a text, the JSON of a value, or bytes, as `form` says
  content_form form = content_form::text;
  std::string content_type{};
  std::vector<header> headers{};
  std::string
      queue{};  ///< where it waits, or waited when it ended; empty once done, and where a POST alone was answered
  std::string error{};  ///< what went wrong with it last; empty: nothing
};

/// The broker says no: nothing was changed. `what()` is its reason, for a person.
class AMC_EXPORT refused : public std::runtime_error {
 public:
  refused(int status, const std::string& why) : std::runtime_error(why), status_(status) {}
  ~refused() override;
  /// The HTTP status: 401, 403, 404, 409, 413, 422, …
  int http_status() const { return status_; }

 private:
  int status_;
};

/// There was no answer within the time. `what()` says why, for a person.
class AMC_EXPORT no_answer : public std::runtime_error {
 public:
  no_answer(bool may_have_been_done, const std::string& why)
      : std::runtime_error(why), may_have_been_done_(may_have_been_done) {}
  ~no_answer() override;
  /// False where it is known that nothing was changed.
  bool may_have_been_done() const { return may_have_been_done_; }

 private:
  bool may_have_been_done_;
};

struct client_options {
  /// For one call, with all its tries; what `wait` waits comes on top.
  milliseconds timeout{30'000};
  /// With an https URL: the authorities, in PEM, of which one must have signed the broker's certificate. Empty: those
  /// that the machine knows.
  std::string ca_file{};
  /// What to show a broker that asks for a certificate, and its key, in PEM; read again when they change. Empty: none.
  std::string certificate_file{}, key_file{};
  /// The file whose first line is the token to send, where the broker asks who one is; read again when it changes.
  /// Empty: none is sent.
  std::string token_file{};
  /// A larger answer is not taken. At least the largest message, four times: JSON may write a byte as six.
  std::size_t answer_max_bytes = std::size_t{64} << 20;
};

/// A client of one broker. For any thread, and several at once. A broker that is away is asked again, with back-off,
/// until the time is over: a POST too, since it carries an idempotency key. Each call throws `refused` or `no_answer`;
/// the asynchronous ones (…_async) return at once, and their future throws the same. The client's end waits for the
/// calls under way.
class AMC_EXPORT client {
 public:
  /// Throws std::runtime_error for a URL that it cannot use ("http://HOST:PORT", "https://…"); connects to nothing yet.
  explicit client(const std::string& url, client_options options = {});
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  /// Returns when the broker has stored the message durably.
  message_state post(const new_message& what);
  /// The same, and waits for its end for up to `longest`: pending when that is over.
  message_state post_and_wait(const new_message& what, milliseconds longest);
  /// Nothing where no message has this id.
  std::optional<message_state> find(const std::string& id);
  /// Waits for its end for up to `longest`: pending when that is over. `refused` (404) where there is none.
  message_state wait(const std::string& id, milliseconds longest);
  /// Nobody works on it any more. `refused` (404, or 409 where it has ended) where that is not possible.
  message_state cancel(const std::string& id);

  std::future<message_state> post_async(new_message what);
  std::future<message_state> post_and_wait_async(new_message what, milliseconds longest);
  std::future<std::optional<message_state>> find_async(std::string id);
  std::future<message_state> wait_async(std::string id, milliseconds longest);
  std::future<message_state> cancel_async(std::string id);

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace amc
