#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "queue_system/rabbitmq/rabbitmq.hpp"
#include "queue_system/rabbitmq/rabbitmq_c.hpp"
#include "queue_system/rabbitmq/watchdog.hpp"
#include "queue_system/server_url.hpp"

namespace amc::queue_system::rabbitmq {

/// Where a server is, and as whom to log in.
/// Reads "amqps://USER:PASSWORD@HOST:PORT,HOST:PORT/VHOST", with a host for each node of a cluster; nothing for another
/// text. Without a user and a virtual host they are guest and "/", as AMQP 0-9-1's clients begin.
std::optional<server_url> parse_address(const std::string& url);

/// Why a server that closes a channel or connection with this code does not do what was asked: refused when only a
/// person can help. What heals by itself is `away`: a queue that was deleted between declaring it and using it (404),
/// or whose home is just being restarted (404, 541), one that another connection has for itself (405), a limit that
/// others have reached (506, 530).
unavailable::reason reason_of_close(int code, std::string_view text);

/// One connection with one channel, for one thread. Every method throws `unavailable` (refused when the server says no
/// to what was asked, away otherwise); after that the connection is of no use, drop it.
class connection {
 public:
  static constexpr amqp_channel_t channel = 1;

  /// To any of the nodes in the URL: in random order, so that they share the work and that a node which answers and
  /// does not work is not chosen again and again.
  connection(const rabbitmq_options& options, watchdog& guards, const std::string& role);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  amqp_connection_state_t handle() const { return handle_; }

  /// Makes the queue, unless it is there; returns how many messages are ready in it.
  std::size_t declare(const std::string& queue);

  /// The next frame, or nothing when none came in time. Notes blocked and unblocked; throws when it is a close.
  std::optional<amqp_frame_t> next_frame(milliseconds longest);

  /// Why the server takes nothing to publish at the moment; empty when it does.
  const std::string& blocked() const { return blocked_; }

  /// The body of a message whose method frame has been read.
  std::string read_body();

  /// Throws when the reply is not a normal one.
  void check(const amqp_rpc_reply_t& reply, const std::string& doing);
  void check(int status, const std::string& doing);

  /// Lets go of what rabbitmq-c keeps of the frames that were read. Copy before.
  void release_buffers() { amqp_maybe_release_buffers(handle_); }

  /// For the calls made while it lives.
  watchdog::guard guarded(milliseconds longest) { return {guards_, amqp_get_sockfd(handle_), longest}; }

  const rabbitmq_options& options() const { return options_; }

 private:
  void connect_to(server_url::host_and_port& node, server_url& as, const std::string& role);
  void open_socket(const amqp_connection_info& where);
  void log_in(const amqp_connection_info& where, const std::string& role);
  void note(const amqp_method_t& method);
  [[noreturn]] void fail(unavailable::reason why, const std::string& what) const;

  rabbitmq_options options_;
  watchdog& guards_;
  amqp_connection_state_t handle_ = nullptr;
  std::string blocked_;
};

}  // namespace amc::queue_system::rabbitmq
