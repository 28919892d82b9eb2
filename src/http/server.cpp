#include "http/server.hpp"

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/status.hpp>
#include <list>

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/one_line_a_second.hpp"
#include "http/byte_budget.hpp"
#include "http/framing.hpp"

namespace amc::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto use_error_code = [](error_code& failed) { return asio::redirect_error(asio::use_awaitable, failed); };

/// "Date:" changes once a second; formatting it for each answer would cost more than the rest of the header.
std::string_view http_date() {
  static thread_local std::time_t last = 0;
  static thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != last) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    char buffer[64];
    text.assign(buffer, std::strftime(buffer, sizeof buffer, "%a, %d %b %Y %H:%M:%S GMT", &parts));
    last = now;
  }
  return text;
}

std::string serialized(const response& answer, bool head, bool close) {
  const auto reason = beast::http::obsolete_reason(beast::http::int_to_status(static_cast<unsigned>(answer.status)));
  const bool bodiless = answer.status == 304 || answer.status == 204;
  std::string out;
  out.reserve(256 + answer.body.size());
  out += "HTTP/1.1 " + std::to_string(answer.status) + " ";
  out.append(reason.data(), reason.size());
  out += "\r\nDate: ";
  out += http_date();
  out += "\r\nX-Content-Type-Options: nosniff";  // a browser takes no answer for a page or a program
  for (const auto& [name, value] : answer.headers) out.append("\r\n").append(name).append(": ").append(value);
  if (!bodiless) out += "\r\nContent-Length: " + std::to_string(answer.body.size());
  if (close) out += "\r\nConnection: close";
  out += "\r\n\r\n";
  if (!head && !bodiless) out += answer.body;
  return out;
}

bool only_reads(const request& asked) {
  return asked.method == "GET" || asked.method == "HEAD";
}

/// For a request that met an absence: what is known to have become of it. Only where this process itself refused does
/// the reason come along; others may name hosts and users.
std::string not_now(const unavailable& failed, const request& asked) {
  using enum unavailable::reason;
  const bool unknown = failed.why() == outcome_unknown || failed.why() == broken;
  if (unknown && !only_reads(asked))
    return "Not available right now: it may have been carried out; ask, or send it again with the same "
           "Idempotency-Key.";
  if (failed.why() == overloaded)
    return std::string("Too much to do right now (") + failed.what() + "); nothing was changed. Try again soon.";
  if (failed.why() == full) return "No room on the disk; nothing was changed. Try again when there is some.";
  return "Not available right now; nothing was changed. Try again soon.";
}

/// One connection, in TLS or not. It listens also while a handler runs, so that a peer that hangs up is noticed then.
class session : public std::enable_shared_from_this<session> {
 public:
  session(tcp::socket connected, framing_limits limits, std::shared_ptr<peer> by,
          std::shared_ptr<const tls_certificates> certificates)
      : socket(std::move(connected)),
        reader(limits),
        from(std::move(by)),
        tls(certificates ? std::make_unique<tls_end>(*certificates->now()) : nullptr),
        certificates_(std::move(certificates)) {}

  /// Waits until more bytes are there; false when there will be none: the peer has gone, or its time is over.
  task<bool> more() {
    if (take_plain()) co_return true;
    listen();
    if (!ended_) {
      heard_ = std::make_shared<one_shot<bool>>(socket.get_executor());
      co_await heard_->wait();
      heard_.reset();
    }
    co_return !ended_ && !late_;
  }

  /// For the time of a handler. What else the peer sends meanwhile is kept, as far as there is room.
  void watch_peer(bool on) {
    watching_ = on;
    if (on) listen();
  }

  /// Drops what was read, and what is still to come.
  void discard() {
    discarding_ = true;
    late_ = false;
  }

  /// The time is over. Whoever waits for the rest of a request is told, so as to answer.
  void expire() {
    if (!heard_ || idle) return close();
    late_ = true;
    heard_->set(true);
  }
  bool late() const { return late_; }

  void close() {
    error_code ignored;
    socket.close(ignored);
  }

  bool is_shaking() const { return tls && !tls->is_shaken(); }

  /// Whether the certificate that its client has shown is still good.
  bool is_believed() const { return !tls || tls->is_good_by(*certificates_->now()); }

  /// Returns once nothing of a handshake is being written.
  task<void> flushed() {
    while (flushing_) {
      flushed_ = std::make_shared<one_shot<bool>>(socket.get_executor());
      co_await flushed_->wait();
    }
  }

  /// Tells a TLS peer that this was all, if that can be done at once.
  void say_goodbye() {
    if (!tls || flushing_ || writing) return;
    error_code ignored;
    const auto bytes = tls->farewell();
    socket.write_some(asio::buffer(bytes), ignored);
  }

  tcp::socket socket;
  request_reader reader;
  const std::shared_ptr<peer> from;
  std::unique_ptr<tls_end> tls;  ///< null: plain HTTP
  bool speaks_plainly = false;   ///< where TLS is spoken
  bool writing = false;          ///< an answer: nothing else is to be written between
  timers::time_point deadline = timers::time_point::max();
  bool idle = true;                                 ///< between two requests
  std::shared_ptr<byte_budget::share> body_room;    ///< of the request under way
  std::shared_ptr<byte_budget::share> answer_room;  ///< of the answer that is being written
  std::optional<timers::time_point> answer_since;

 private:
  static constexpr std::size_t read_size = 32'768;

  std::size_t room() const { return discarding_ ? read_size : std::min(read_size, reader.room()); }

  void listen() {
    if (listening_ || ended_ || room() == 0) return;
    listening_ = true;
    // A connection that waits holds no buffer, and its wait goes on after the handler: nothing is ever cancelled.
    socket.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code failed) { self->hear(failed); });
  }

  void hear(error_code failed) {
    listening_ = false;
    std::array<char, read_size> bytes;
    const auto got = failed ? 0 : socket.read_some(asio::buffer(bytes.data(), room()), failed);
    if (tls && got > 0)
      hear_encrypted({bytes.data(), got});
    else if (!discarding_)
      reader.feed({bytes.data(), got});
    if ((failed && failed != asio::error::would_block) || (tls && tls->is_over())) {
      ended_ = true;
      from->leave();
    }
    if (watching_) listen();
    if (heard_) heard_->set(true);
  }

  /// A client that takes this for a plain HTTP server is told.
  void hear_encrypted(std::string_view bytes) {
    const bool first = !std::exchange(heard_any_, true);
    if (first && bytes.front() >= 'A' && bytes.front() <= 'Z') {
      tls.reset();
      speaks_plainly = true;
      return reader.feed(bytes);
    }
    tls->hear(bytes);
    take_plain();
    flush();
  }

  /// What a TLS peer has sent, as far as there is room for it; whether there was anything.
  bool take_plain() {
    bool any = false;
    std::array<char, read_size> bytes;
    while (tls && room() > 0) {
      const auto got = tls->read(bytes.data(), room());
      if (got == 0) break;
      any = true;
      if (!discarding_) reader.feed({bytes.data(), got});
    }
    meet();
    return any;
  }

  /// Once the handshake is over. Whom the client's certificate is believed to may have changed since it began.
  void meet() {
    if (met_ || !tls || !tls->is_shaken()) return;
    met_ = true;
    if (!is_believed()) return close();
    if (auto shown = tls->shown()) from->show(*std::move(shown));
  }

  /// Sends what the handshake has to say.
  void flush() {
    if (flushing_ || writing || !tls) return;
    unsent_ = tls->unsent();
    if (unsent_.empty()) return;
    flushing_ = true;
    asio::async_write(socket, asio::buffer(unsent_), [self = shared_from_this()](error_code failed, std::size_t) {
      self->flushing_ = false;
      if (!failed) self->flush();
      if (!self->flushing_ && self->flushed_) self->flushed_->set(true);
    });
  }

  std::shared_ptr<const tls_certificates> certificates_;
  bool met_ = false;
  std::string unsent_;
  std::shared_ptr<one_shot<bool>> flushed_;
  bool flushing_ = false;
  bool heard_any_ = false;
  std::shared_ptr<one_shot<bool>> heard_;
  bool listening_ = false;
  bool watching_ = false;
  bool discarding_ = false;
  bool ended_ = false;
  bool late_ = false;
};

}  // namespace

class server::implementation : public std::enable_shared_from_this<implementation> {
 public:
  implementation(const environment& env, server_options options, handler handle, fault word_fault)
      : env_(env),
        options_(std::move(options)),
        handle_(std::move(handle)),
        word_fault_(std::move(word_fault)),
        acceptor_(env.executor),
        bodies_(std::max(options_.bodies_max_bytes, options_.body_max_bytes)),
        answers_(options_.answers_max_bytes),
        sessions_done_(env.executor),
        ticks_(env) {
    bind();
    browsers_.emplace(options_.browsers, is_loopback(acceptor_.local_endpoint().address()));
  }

  std::string url() const {
    const auto bound = acceptor_.local_endpoint();
    const auto host = bound.address().is_v6() ? "[" + bound.address().to_string() + "]" : bound.address().to_string();
    return (options_.certificates ? "https://" : "http://") + host + ":" + std::to_string(bound.port());
  }

  task<void> accept_loop(std::shared_ptr<implementation> self) {
    for (bool told = false; !stopping_;) {
      error_code failed;
      co_await acceptor_.async_wait(tcp::acceptor::wait_read, use_error_code(failed));
      if (stopping_) break;
      if (!failed) failed = accept_those_who_wait(self);
      if (failed) {
        // Out of descriptors, most likely: connections that close make room.
        if (!std::exchange(told, true)) log::warning("http", "cannot accept connections: " + failed.message());
        co_await ticks_.sleep(milliseconds(100));
        continue;
      }
      told = false;
    }
  }

  // One look at all connections now and then is cheaper than a timer for each request.
  task<void> deadline_loop(std::shared_ptr<implementation> /*keeps this alive*/) {
    while (!sessions_.empty() || !stopping_) {
      co_await deadlines_.sleep(milliseconds(100));
      const auto now = env_.timers->now();
      leave_those_not_believed();
      for (const auto& s : sessions_) {
        if (s->deadline < now) s->expire();
        if (stopping_ && s->idle) s->close();
      }
    }
  }

  void run() {
    auto self = shared_from_this();
    loops_.spawn(accept_loop(self));
    loops_.spawn(deadline_loop(self));
  }

  task<void> stop(milliseconds longest) {
    stopping_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    ticks_.poke();
    deadlines_.poke();
    const auto timer = env_.timers->start(longest, [this] {
      for (const auto& s : sessions_) s->close();
    });
    co_await sessions_done_.drain();
    deadlines_.poke();
    co_await loops_.drain();
  }

 private:
  using session_list = std::list<std::shared_ptr<session>>;

  static bool is_loopback(const asio::ip::address& bound) {
    if (bound.is_v6() && bound.to_v6().is_v4_mapped())
      return asio::ip::make_address_v4(asio::ip::v4_mapped, bound.to_v6()).is_loopback();
    return bound.is_loopback();
  }

  void bind() {
    error_code failed;
    const auto address = asio::ip::make_address(options_.address, failed);
    const auto& keys = options_.address_keys;
    if (failed) throw startup_error(keys + ".address: \"" + options_.address + "\" is not an IP address");
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), failed);
    if (!failed) acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
    if (!failed) acceptor_.bind(endpoint, failed);
    if (!failed) acceptor_.non_blocking(true, failed);
    // Otherwise Asio would wait, with all else, for the next one.
    if (!failed) acceptor_.set_option(asio::socket_base::enable_connection_aborted(true), failed);
    if (!failed) acceptor_.listen(asio::socket_base::max_listen_connections, failed);
    if (failed)
      throw startup_error("cannot listen on " + options_.address + ":" + std::to_string(options_.port) + ": " +
                          failed.message() + "; " + remedy(failed));
  }

  std::string remedy(const error_code& failed) const {
    const auto& keys = options_.address_keys;
    if (failed == asio::error::access_denied)
      return "ports below 1024 are the administrator's: set " + keys +
             ".port, or give the right (CAP_NET_BIND_SERVICE)";
    if (failed == asio::error::address_in_use) return "stop what uses the port, or set " + keys + ".port";
    return "set " + keys + ".address to an address of this machine";
  }

  /// Many at once: under load one for each turn of the loop would leave the others outside for seconds.
  error_code accept_those_who_wait(const std::shared_ptr<implementation>& self) {
    for (int taken = 0; taken < accepted_at_once_max; ++taken) {
      error_code failed;
      auto socket = acceptor_.accept(failed);
      if (failed == asio::error::would_block) return {};
      if (failed == asio::error::connection_aborted) continue;
      if (failed) return failed;
      admit(self, std::move(socket));
    }
    return {};
  }

  void admit(const std::shared_ptr<implementation>& self, tcp::socket socket) {
    // Telling one that it is too many takes a moment, and so a place; without one it is closed untold.
    if (sessions_.size() >= options_.connections_max + refusals_max) return;
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.non_blocking(true, ignored);
    const framing_limits limits{options_.header_max_bytes, options_.body_max_bytes};
    const auto remote = socket.remote_endpoint(ignored);
    auto from = std::make_shared<peer>(++last_session_, ignored ? std::string() : remote.address().to_string());
    const auto entry = sessions_.insert(
        sessions_.end(), std::make_shared<session>(std::move(socket), limits, std::move(from), options_.certificates));
    sessions_done_.spawn(serve(self, entry));
  }

  /// What was revoked since a handshake ends the connection, whatever waits on it.
  void leave_those_not_believed() {
    if (!options_.certificates ||
        std::exchange(believed_by_, options_.certificates->now()) == options_.certificates->now())
      return;
    for (const auto& s : sessions_)
      if (!s->is_believed()) {
        refused_certificates_.warn(s->from->address() +
                                   ": its certificate is not good any more; its connection is closed");
        s->close();
      }
  }

  void set_deadline(session& s, milliseconds from_now) { s.deadline = env_.timers->now() + from_now; }

  /// For a body or an answer, in which so many bytes have moved: total times, but as long as it takes at the least
  /// rate.
  milliseconds allowed_for(std::size_t bytes) const {
    return options_.body_timeout + milliseconds(bytes * 1'000 / options_.rate_min_bytes_per_s);
  }

  task<void> serve(std::shared_ptr<implementation> /*keeps this alive*/, session_list::iterator entry) {
    session& s = **entry;
    try {
      if (sessions_.size() > options_.connections_max)
        co_await refuse(
            s,
            malformed{503, "Too many connections (broker.http.connections_max); nothing was changed. Try again soon."});
      else
        while (co_await serve_one(s)) {
        }
    } catch (const std::exception& failed) {
      log::error("http", std::string("a connection ended: ") + failed.what());
    }
    if (s.tls && !s.tls->refused_certificate().empty())
      refused_certificates_.warn(s.from->address() + ": its certificate was refused: " + s.tls->refused_certificate());
    s.say_goodbye();
    s.close();
    sessions_.erase(entry);
  }

  /// One request and its answer; false when the connection is finished.
  task<bool> serve_one(session& s) {
    using state = request_reader::state;
    auto last = state::complete;
    auto began = env_.timers->now();
    for (auto now = s.reader.advance(); now != state::complete; now = s.reader.advance()) {
      if (now == state::refused) {
        co_await refuse(s, s.reader.fault());
        co_return false;
      }
      if (!has_room(s)) {
        co_await refuse(s, no_room(s));
        co_return false;
      }
      if (s.speaks_plainly) {
        co_await refuse(s, s.reader.refusal(400, "This port speaks TLS: ask it by https://."));
        co_return false;
      }
      s.idle = now == state::idle;
      if (stopping_ && s.idle) co_return false;
      if (std::exchange(last, now) != now) {
        began = env_.timers->now();
        if (auto refused = refused_unread(s, now)) {
          co_await end_with(s, *refused, s.reader.under_way().method == "HEAD");
          co_return false;
        }
        if (s.reader.awaits_continue() && now == state::body) co_await write_bytes(s, "HTTP/1.1 100 Continue\r\n\r\n");
      }
      s.deadline = began + (s.is_shaking() ? options_.header_timeout : allowed_in(now, s.reader.body_bytes()));
      if (co_await s.more()) continue;
      if (s.late()) co_await refuse(s, too_late(s, now));
      co_return false;
    }
    s.idle = false;
    if (s.speaks_plainly) {
      co_await refuse(s, s.reader.refusal(400, "This port speaks TLS: ask it by https://."));
      co_return false;
    }
    if (!has_room(s)) {
      co_await refuse(s, no_room(s));
      co_return false;
    }
    co_return co_await answer(s);
  }

  /// Whether what has come of the body fits beside those of all others.
  bool has_room(session& s) {
    const auto bytes = s.reader.body_bytes();
    if (bytes == 0) return true;
    if (!s.body_room) s.body_room = std::make_shared<byte_budget::share>(bodies_);
    return s.body_room->hold(bytes);
  }

  static malformed no_room(const session& s) {
    return s.reader.refusal(503,
                            "The bodies of the requests under way are larger together than "
                            "broker.http.bodies_max_bytes; nothing was changed. Try again soon.");
  }

  static malformed too_late(const session& s, request_reader::state phase) {
    const auto* key = phase == request_reader::state::body ? "body_timeout_ms" : "header_timeout_ms";
    return s.reader.refusal(408, std::string("The request did not come in time (broker.http.") + key + ").");
  }

  milliseconds allowed_in(request_reader::state phase, std::size_t body_bytes) const {
    if (phase == request_reader::state::idle) return options_.idle_timeout;
    if (phase == request_reader::state::header) return options_.header_timeout;
    return allowed_for(body_bytes);
  }

  task<bool> answer(session& s) {
    auto framed = s.reader.take();
    framed.request.from = s.from;
    framed.request.body_room = std::exchange(s.body_room, nullptr);
    s.deadline = timers::time_point::max();  // the handler bounds itself
    s.watch_peer(true);
    auto reply = co_await admitted(framed.request);
    s.watch_peer(false);
    framed.request.drop_body();
    const bool close_after = !framed.keep_alive || stopping_;
    if (framed.http_10 && !close_after) reply.headers.add("Connection", "keep-alive");
    co_return co_await write(s, reply, framed.request.method == "HEAD", close_after) && !close_after;
  }

  task<response> admitted(request& asked) {
    std::optional<response> reply;
    if (const auto why = browsers_->refuses(asked)) reply = word_fault_(why->status, why->detail, asked.target);
    if (!reply) reply = browsers_->preflight(asked);
    if (!reply) {
      reply = co_await handled(asked);
      // What a change is answered with cannot be had again.
      if (!make_room_for(reply->body.size()) && only_reads(asked)) reply = not_taken(asked);
    }
    browsers_->mark(asked, *reply);
    co_return *std::move(reply);
  }

  /// Among the answers that wait to be taken. Those of clients that are slow to take theirs make way.
  bool make_room_for(std::size_t bytes) {
    const auto fits = [&] { return answers_.held() == 0 || answers_.held() + bytes <= options_.answers_max_bytes; };
    while (!fits()) {
      const auto slowest = slowest_reader();
      if (!slowest) return bytes <= small_answer_bytes;
      slowest->close();
      slowest->answer_room->hold_anyway(0);
      slowest->answer_since.reset();
    }
    return true;
  }

  std::shared_ptr<session> slowest_reader() const {
    constexpr milliseconds slow_after{1'000};
    std::shared_ptr<session> slowest;
    for (const auto& s : sessions_)
      if (s->answer_since && (!slowest || *s->answer_since < *slowest->answer_since)) slowest = s;
    return slowest && *slowest->answer_since + slow_after < env_.timers->now() ? slowest : nullptr;
  }

  response not_taken(const request& asked) const {
    return later(
        asked,
        "The answers that wait to be taken are larger together than broker.http.answers_max_bytes; nothing was "
        "changed. Try again soon.");
  }

  response later(const request& asked, std::string detail) const {
    auto reply = word_fault_(503, std::move(detail), asked.target);
    reply.headers.add("Retry-After", "1");
    return reply;
  }

  task<response> handled(request& asked) {
    try {
      co_return co_await handle_(asked);
    } catch (const unavailable& failed) {
      log::debug("http", std::string("answered 503: ") + failed.what());
      co_return later(asked, not_now(failed, asked));
    } catch (const std::exception& failed) {
      co_return broken(asked, failed.what());
    } catch (...) {
      co_return broken(asked, "something that is no std::exception");
    }
  }

  response broken(const request& asked, const std::string& why) const {
    log::error("http", "answered 500 to " + asked.method + " " + std::string(asked.path()) + ": " + why);
    std::string detail = "An internal error; the log of the server tells more.";
    if (!only_reads(asked)) detail += " It may have been carried out.";
    return word_fault_(500, std::move(detail), asked.target);
  }

  task<bool> write(session& s, response& reply, bool head, bool close_after) {
    const auto bytes = serialized(reply, head, close_after);
    std::string().swap(reply.body);
    s.answer_room = std::make_shared<byte_budget::share>(answers_);
    s.answer_room->hold_anyway(bytes.size());
    s.answer_since = env_.timers->now();
    const bool taken = co_await write_bytes(s, bytes);
    if (reply.receipt && taken) reply.receipt->written();
    reply.receipt.reset();
    s.answer_room.reset();
    s.answer_since.reset();
    co_return taken;
  }

  task<bool> write_bytes(session& s, std::string_view bytes) {
    set_deadline(s, allowed_for(bytes.size()));
    error_code failed;
    if (!s.tls) {
      co_await asio::async_write(s.socket, asio::buffer(bytes), use_error_code(failed));
      co_return !failed;
    }
    co_await s.flushed();
    s.writing = true;
    while (!bytes.empty() && !failed && !s.tls->is_over()) {
      const auto part = bytes.substr(0, encrypted_at_once_max);
      const auto encrypted = s.tls->say(part);
      bytes.remove_prefix(part.size());
      co_await asio::async_write(s.socket, asio::buffer(encrypted), use_error_code(failed));
    }
    s.writing = false;
    co_return !failed && bytes.empty();
  }

  /// Answers and reads on for a moment: closing with unread bytes would reset the connection before the answer is read.
  task<void> refuse(session& s, malformed why) {
    auto reply = word_fault_(why.status, why.detail, why.target);
    if (why.status == 503) reply.headers.add("Retry-After", "1");
    co_await end_with(s, reply, why.head);
  }

  std::optional<response> refused_unread(const session& s, request_reader::state now) const {
    if (now != request_reader::state::body || !options_.doorkeeper) return {};
    return options_.doorkeeper(s.reader.under_way(), *s.from);
  }

  task<void> end_with(session& s, response& reply, bool head) {
    s.idle = false;
    s.discard();
    s.body_room.reset();
    if (!co_await write(s, reply, head, true)) co_return;
    s.say_goodbye();
    error_code ignored;
    s.socket.shutdown(tcp::socket::shutdown_send, ignored);
    set_deadline(s, milliseconds(2'000));
    while (co_await s.more()) {
    }
  }

  /// There are no more of them than connections.
  static constexpr std::size_t encrypted_at_once_max = 65'536;
  static constexpr std::size_t small_answer_bytes = 16'384;
  static constexpr std::size_t refusals_max = 128;
  static constexpr int accepted_at_once_max = 128;

  environment env_;
  server_options options_;
  handler handle_;
  fault word_fault_;
  tcp::acceptor acceptor_;
  byte_budget bodies_;
  byte_budget answers_;
  std::optional<browser_guard> browsers_;  // which rules hold depends on what was bound
  session_list sessions_;
  std::uint64_t last_session_ = 0;
  task_group sessions_done_;
  task_group loops_{env_.executor};
  alarm_clock ticks_;
  alarm_clock deadlines_{env_};
  std::shared_ptr<const tls_identity> believed_by_;  ///< at the last look at all connections
  one_line_a_second refused_certificates_{env_, "http"};
  bool stopping_ = false;
};

server::server(const environment& env, server_options options, handler handle, fault word_fault)
    : implementation_(
          std::make_shared<implementation>(env, std::move(options), std::move(handle), std::move(word_fault))) {}

server::~server() = default;

std::string server::url() const {
  return implementation_->url();
}

void server::run() {
  implementation_->run();
}

task<void> server::stop(milliseconds longest) {
  return implementation_->stop(longest);
}

}  // namespace amc::http
