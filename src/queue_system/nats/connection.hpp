#pragma once

#include <nats/nats.h>

#include <boost/json/object.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "queue_system/nats/names.hpp"
#include "queue_system/nats/nats.hpp"
#include "queue_system/server_url.hpp"

namespace amc::queue_system::nats {

/// Reads "nats://USER:PASSWORD@HOST:PORT,HOST:PORT"; nothing for another text. A user without a password is a token.
std::optional<server_url> parse_address(const std::string& url);

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* it) const {
    Free(it);
  }
};
using message = std::unique_ptr<natsMsg, freed_by<natsMsg_Destroy>>;

std::string_view bytes_of(natsMsg& of);
/// A word of the server's own, as in HTTP: "404 No Messages"; empty: it is none.
std::string words_of(natsMsg& of);
/// An answer of JetStream's; without members when it cannot be read.
boost::json::object object_of(natsMsg& answer);

/// One connection with one inbox, for one thread. Every method throws `unavailable` (refused when the server says no to
/// what was asked, away otherwise); after that the connection is of no use, drop it.
class connection {
 public:
  connection(const nats_options& options, const std::string& role);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  const nats_options& options() const { return options_; }
  bool is_up() const { return !natsConnection_IsClosed(link_.get()); }

  /// A subject of this connection alone: what is sent to it is what `next` returns.
  std::string reply_subject(std::uint64_t number) const { return inbox_ + std::to_string(number); }
  /// The number of it.
  std::uint64_t number_of(natsMsg& reply) const;

  /// Sends, at the latest a moment later. `reply_to` may be empty.
  void send(const std::string& subject, const std::string& reply_to, std::string_view bytes);
  /// Like `send`, for what the stream must not take because it is not of this name.
  void send_expecting(const std::string& stream, const std::string& subject, const std::string& reply_to);
  /// What came into the inbox, or nothing when nothing came in time. Nothing, too, when it came back that nobody
  /// listens to what was sent: the library does not say which, so `unheard` counts them.
  message next(milliseconds longest);
  /// How often that was since the last time this was asked.
  std::size_t unheard() { return std::exchange(unheard_, 0); }
  /// Waits until the server has all that was sent, and no longer than that.
  void flush(milliseconds longest) noexcept;

  /// The next that has this number, or nothing where nobody listens; throws when it does not come within the time for
  /// an answer.
  message answer_to(std::uint64_t number, const std::string& doing);

  /// Asks JetStream; what it answers, refusals included (`error_code_of`).
  boost::json::object ask(const std::string& what, const boost::json::object& request = {});

  /// Throws what a refusal of JetStream's is.
  [[noreturn]] void refuse(const boost::json::object& answer, const std::string& doing) const;
  [[noreturn]] void fail(unavailable::reason why, const std::string& what) const;

  /// Makes the stream unless it is there; refused when there is another of its name.
  void make_stream();
  /// Makes the queue's consumer, and the stream, unless they are there; what the server knows of the consumer.
  boost::json::object make_consumer(const place& queue);

  /// Of replies to what is sent over this connection.
  std::uint64_t new_number() { return ++last_number_; }

 private:
  /// Whether it is there. Where it is not, what is left of it is gone when this returns.
  bool is_there_or_gone(const std::string& stream);
  void connect(const std::string& role);
  void connect_to(const server_url::host_and_port& server, const server_url& as, const std::string& role);
  [[noreturn]] void fail_to_connect(natsStatus status, const server_url::host_and_port& where) const;
  void check(natsStatus status, const std::string& doing) const;
  void check_rights() const;
  bool fits(const boost::json::object& existing, const boost::json::object& wanted) const;

  nats_options options_;
  std::unique_ptr<natsConnection, freed_by<natsConnection_Destroy>> link_;
  std::unique_ptr<natsSubscription, freed_by<natsSubscription_Destroy>> arriving_;
  std::string inbox_;
  std::uint64_t last_number_ = 0;
  std::size_t unheard_ = 0;
};

/// JetStream's own code of a refusal; 0: it is none.
std::int64_t error_code_of(const boost::json::object& answer);

}  // namespace amc::queue_system::nats
