#include "queue_system/rabbitmq/connection.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "core/config.hpp"
#include "core/invariant.hpp"
#include "core/log.hpp"
#include "core/why_unreachable.hpp"
#include "queue_system/driver.hpp"

namespace amc::queue_system::rabbitmq {
namespace {

timeval to_timeval(milliseconds time) {
  const auto count = std::max<std::int64_t>(0, time.count());
  return {count / 1'000, (count % 1'000) * 1'000};
}

std::string text_of(const amqp_bytes_t& bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}

struct close_reason {
  int code;
  std::string text;
  /// "403 ACCESS_REFUSED - …", as the server words it.
  std::string told() const { return std::to_string(code) + " " + text; }
};

/// Of one of the two methods with which a server says no.
close_reason reason_of(const amqp_method_t& closed) {
  ensure(closed.id == AMQP_CHANNEL_CLOSE_METHOD || closed.id == AMQP_CONNECTION_CLOSE_METHOD,
         "a server says no by closing a channel or the connection");
  if (closed.id == AMQP_CHANNEL_CLOSE_METHOD) {
    const auto* why = static_cast<const amqp_channel_close_t*>(closed.decoded);
    return {why->reply_code, text_of(why->reply_text)};
  }
  const auto* why = static_cast<const amqp_connection_close_t*>(closed.decoded);
  return {why->reply_code, text_of(why->reply_text)};
}

/// RabbitMQ 4 can be told to permit no transient queues, and later versions begin so.
bool permits_no_transient_queue(const amqp_rpc_reply_t& reply) {
  if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION || reply.reply.id != AMQP_CONNECTION_CLOSE_METHOD)
    return false;
  // not covered: RabbitMQ before 3.13 permits every queue
  const auto why = reason_of(reply.reply);
  return why.code == AMQP_INTERNAL_ERROR && why.text.find("transient_nonexcl_queues") != std::string::npos;
}

/// What a person has to do about it, by the server's words; empty where waiting may help, or a right is missing, which
/// who has asked can name.
std::string remedy_of(const close_reason& why) {
  const auto says = [&](std::string_view words) { return why.text.find(words) != std::string::npos; };
  if (says("Login was refused")) return "; check the user and the password in queue_system.rabbitmq.url";
  if (why.code == AMQP_NOT_ALLOWED && says("vhost")) return "; check the virtual host in queue_system.rabbitmq.url";
  if (says("inequivalent arg"))
    return "; set queue_system.rabbitmq.queue_type as it is, set another queue_system.prefix, or delete it: what is "
           "pending is rung again";
  if (says("message size")) return "; raise max_message_size of the server";
  return "";
}

/// What the server says of itself under that name; empty: nothing.
std::string property_of(amqp_connection_state_t link, std::string_view name) {
  const auto* told = amqp_get_server_properties(link);
  for (const auto& [key, value] : std::span(told->entries, static_cast<std::size_t>(told->num_entries)))
    if (text_of(key) == name && value.kind == AMQP_FIELD_KIND_UTF8) return text_of(value.value.bytes);
  return "";  // not covered: RabbitMQ tells its product and its version
}

amqp_table_entry_t entry(const char* key, amqp_field_value_t value) {
  return {amqp_cstring_bytes(key), value};
}

amqp_field_value_t yes() {
  amqp_field_value_t value{};
  value.kind = AMQP_FIELD_KIND_BOOLEAN;
  value.value.boolean = 1;
  return value;
}

amqp_field_value_t text(const std::string& content) {
  amqp_field_value_t value{};
  value.kind = AMQP_FIELD_KIND_UTF8;
  value.value.bytes = {content.size(), const_cast<char*>(content.data())};
  return value;
}

/// What rabbitmq-c takes; points into both.
amqp_connection_info info_of(server_url::host_and_port& node, server_url& as) {
  return {.user = as.user.data(),
          .password = as.password.data(),
          .host = node.host.data(),
          .vhost = as.path.data(),
          .port = node.port,
          .ssl = as.tls};
}

/// Whether what answers there would take a TLS client. Leaves errno alone.
bool speaks_tls(const amqp_connection_info& where, milliseconds longest) {
  const int before = errno;
  auto* link = amqp_new_connection();
  auto* socket = amqp_ssl_socket_new(link);
  amqp_ssl_socket_set_verify_peer(socket, false);
  amqp_ssl_socket_set_verify_hostname(socket, false);
  const auto timeout = to_timeval(longest);
  const bool opened = amqp_socket_open_noblock(socket, where.host, where.port, &timeout) == AMQP_STATUS_OK;
  amqp_destroy_connection(link);
  errno = before;
  return opened;
}

}  // namespace

connection::connection(const rabbitmq_options& options, watchdog& guards, const std::string& role)
    : options_(options), guards_(guards) {
  auto where = parse_address(options_.url);
  if (!where) fail(unavailable::reason::refused, "its URL cannot be read");
  connect_to_any(where->hosts, [&](server_url::host_and_port& node) {
    try {
      connect_to(node, *where, role);
    } catch (const unavailable&) {
      amqp_destroy_connection(std::exchange(handle_, nullptr));
      throw;
    }
  });
}

void connection::connect_to(server_url::host_and_port& node, server_url& as, const std::string& role) {
  handle_ = amqp_new_connection();
  const auto where = info_of(node, as);
  open_socket(where);
  const auto guard = guarded(options_.connect_timeout);
  log_in(where, role);
  amqp_channel_open(handle_, channel);
  check(amqp_get_rpc_reply(handle_), "opening a channel");
}

connection::~connection() {
  {
    // An orderly goodbye keeps the server's log clean; a server that does not answer it is not waited for.
    constexpr milliseconds patience{500};
    const auto brief = to_timeval(patience);
    amqp_set_rpc_timeout(handle_, &brief);
    const auto guard = guarded(patience);
    amqp_connection_close(handle_, AMQP_REPLY_SUCCESS);
  }
  amqp_destroy_connection(handle_);
}

void connection::open_socket(const amqp_connection_info& where) {
  amqp_socket_t* socket = nullptr;
  if (where.ssl) {
    socket = amqp_ssl_socket_new(handle_);
    if (!socket) fail(unavailable::reason::away, "no memory for a socket");
    amqp_ssl_socket_set_verify_peer(socket, options_.verify);
    // rabbitmq-c compares with the names of a certificate only, never with its addresses; OpenSSL compares with those.
    auto* rules = SSL_CTX_get0_param(static_cast<SSL_CTX*>(amqp_ssl_socket_get_context(socket)));
    const bool by_address = options_.verify && X509_VERIFY_PARAM_set1_ip_asc(rules, where.host) == 1;
    amqp_ssl_socket_set_verify_hostname(socket, options_.verify && !by_address);
    if (options_.verify && amqp_ssl_socket_set_cacert(socket, options_.ca_file.c_str()) != AMQP_STATUS_OK)
      fail(unavailable::reason::refused,
           "\"" + options_.ca_file + "\" holds no certificates; check " + "queue_system.rabbitmq.ca_file");
  } else {
    socket = amqp_tcp_socket_new(handle_);
    if (!socket) fail(unavailable::reason::away, "no memory for a socket");
  }
  const auto timeout = to_timeval(options_.connect_timeout);
  ERR_clear_error();
  const int opened = amqp_socket_open_noblock(socket, where.host, where.port, &timeout);
  const bool distrusted =
      opened == AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED || opened == AMQP_STATUS_SSL_PEER_VERIFY_FAILED;
  if (distrusted)
    fail(unavailable::reason::refused,
         std::string("connecting: ") + amqp_error_string2(opened) + "; check queue_system.rabbitmq.ca_file");
  const bool answered_plainly = opened == AMQP_STATUS_SSL_CONNECTION_FAILED &&
                                ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_WRONG_VERSION_NUMBER;
  if (answered_plainly)
    fail(unavailable::reason::refused,
         "connecting: what answers there speaks no TLS; use amqp:// in queue_system.rabbitmq.url, or the port for TLS");
  if (opened == AMQP_STATUS_SOCKET_ERROR)
    fail(unavailable::reason::away,
         "connecting: " + why_unreachable(where.host, std::to_string(where.port), options_.connect_timeout));
  check(opened, "connecting");
}

void connection::log_in(const amqp_connection_info& where, const std::string& role) {
  const auto handshake = to_timeval(options_.connect_timeout);
  const auto answer = to_timeval(options_.answer_timeout);
  amqp_set_handshake_timeout(handle_, &handshake);
  amqp_set_rpc_timeout(handle_, &answer);
  amqp_table_entry_t able[] = {entry("consumer_cancel_notify", yes()), entry("connection.blocked", yes()),
                               entry("authentication_failure_close", yes()), entry("basic.nack", yes()),
                               entry("publisher_confirms", yes())};
  amqp_field_value_t capabilities{};
  capabilities.kind = AMQP_FIELD_KIND_TABLE;
  capabilities.value.table = {static_cast<int>(std::size(able)), able};
  const std::string name = "amc " + role;
  amqp_table_entry_t told[] = {entry("capabilities", capabilities), entry("connection_name", text(name))};
  const amqp_table_t properties{static_cast<int>(std::size(told)), told};
  constexpr int frame_max = 131'072;
  const auto heartbeat_s = static_cast<int>(options_.heartbeat.count() / 1'000);
  const char* host = where.vhost;
  const auto reply = amqp_login_with_properties(handle_, host, AMQP_DEFAULT_MAX_CHANNELS, frame_max, heartbeat_s,
                                                &properties, AMQP_SASL_METHOD_PLAIN, where.user, where.password);
  const bool no_answer =
      reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && reply.library_error != AMQP_STATUS_TIMEOUT;
  if (no_answer && !where.ssl && speaks_tls(where, options_.connect_timeout))
    fail(unavailable::reason::refused,
         "logging in: what answers there wants TLS; use amqps:// in queue_system.rabbitmq.url, or the port without");
  check(reply, "logging in");
  const auto version = property_of(handle_, "version");
  constexpr int oldest = 308;  // those before take a quorum queue for a classic one
  if (property_of(handle_, "product") == "RabbitMQ" && version_number(version) < oldest)
    fail(unavailable::reason::refused,
         "the server is RabbitMQ " + version + "; queue_system.rabbitmq.url wants 3.8 or newer");
}

unavailable::reason reason_of_close(int code, std::string_view text) {
  const bool limited = text.find("limit") != std::string_view::npos;
  const bool refused = code == AMQP_ACCESS_REFUSED || code == AMQP_PRECONDITION_FAILED ||
                       code == AMQP_NOT_IMPLEMENTED || (code == AMQP_NOT_ALLOWED && !limited);
  return refused ? unavailable::reason::refused : unavailable::reason::away;
}

std::optional<server_url> parse_address(const std::string& url) {
  constexpr url_rules rules{
      .scheme = "amqp", .tls_scheme = "amqps", .port = 5'672, .tls_port = 5'671, .has_many_hosts = true};
  auto where = parse_server_url(url, rules);
  if (!where) return {};
  if (!where->has_user) where->user = where->password = "guest";
  if (where->path.empty()) where->path = "/";
  return where;
}

std::size_t connection::declare(const std::string& queue) {
  using queue_type = rabbitmq_options::queue_type;
  const std::string name = options_.prefix + queue;
  const std::string type = options_.type == queue_type::quorum ? "quorum" : "classic";
  amqp_table_entry_t kind[] = {entry("x-queue-type", text(type))};
  const amqp_table_t arguments{1, kind};
  const bool durable = options_.type != queue_type::transient;
  const auto guard = guarded(2 * options_.answer_timeout);
  const auto* declared = amqp_queue_declare(handle_, channel, {name.size(), const_cast<char*>(name.data())}, false,
                                            durable, false, false, arguments);
  const auto reply = amqp_get_rpc_reply(handle_);
  if (permits_no_transient_queue(reply))
    // not covered: as above
    fail(unavailable::reason::refused, "declaring queue \"" + name +
                                           "\": the server permits no transient queues (transient_nonexcl_queues); "
                                           "set queue_system.rabbitmq.queue_type to quorum or classic");
  const auto doing = "declaring queue \"" + name + "\"";
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reason_of(reply.reply).code == AMQP_ACCESS_REFUSED)
    fail(unavailable::reason::refused, doing + ": " + reason_of(reply.reply).told() +
                                           "; the user of queue_system.rabbitmq.url needs the right to configure it");
  check(reply, doing);
  const std::size_t ready = declared->message_count;
  release_buffers();
  return ready;
}

std::optional<amqp_frame_t> connection::next_frame(milliseconds longest) {
  amqp_frame_t frame{};
  const auto timeout = to_timeval(longest);
  const int status = amqp_simple_wait_frame_noblock(handle_, &frame, &timeout);
  if (status == AMQP_STATUS_TIMEOUT) return {};
  check(status, "reading");
  if (frame.frame_type == AMQP_FRAME_METHOD) note(frame.payload.method);
  return frame;
}

void connection::note(const amqp_method_t& method) {
  if (method.id == AMQP_CONNECTION_CLOSE_METHOD || method.id == AMQP_CHANNEL_CLOSE_METHOD) {
    const auto why = reason_of(method);
    fail(reason_of_close(why.code, why.text), "the server closed: " + why.told() + remedy_of(why));
  }
  if (method.id == AMQP_CONNECTION_BLOCKED_METHOD) {
    blocked_ = text_of(static_cast<const amqp_connection_blocked_t*>(method.decoded)->reason);
    if (blocked_.empty()) blocked_ = "no reason told";
    log::warning("rabbitmq", "the server takes nothing to publish: " + blocked_);
  }
  if (method.id == AMQP_CONNECTION_UNBLOCKED_METHOD) {
    blocked_.clear();
    log::info("rabbitmq", "the server takes what is published again");
  }
}

std::string connection::read_body() {
  amqp_message_t content{};
  check(amqp_read_message(handle_, channel, &content, 0), "reading");
  auto body = text_of(content.body);
  amqp_destroy_message(&content);
  return body;
}

void connection::check(const amqp_rpc_reply_t& reply, const std::string& doing) {
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) {
    const auto why = reason_of(reply.reply);
    fail(reason_of_close(why.code, why.text), doing + ": " + why.told() + remedy_of(why));
  }
  const bool ended = reply.reply_type == AMQP_RESPONSE_NONE;
  check(ended ? AMQP_STATUS_CONNECTION_CLOSED : reply.library_error, doing);
}

void connection::check(int status, const std::string& doing) {
  if (status == AMQP_STATUS_OK) return;
  const bool system_knows = status == AMQP_STATUS_SOCKET_ERROR && errno != 0;
  fail(unavailable::reason::away, doing + ": " + (system_knows ? std::strerror(errno) : amqp_error_string2(status)));
}

void connection::fail(unavailable::reason why, const std::string& what) const {
  throw unavailable(why, "rabbitmq at " + mask_url(options_.url) + ": " + what);
}

}  // namespace amc::queue_system::rabbitmq
