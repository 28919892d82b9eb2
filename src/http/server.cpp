#include "http/server.hpp"

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/status.hpp>
#include <list>

#include "amc/error.hpp"
#include "core/log.hpp"
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
  for (const auto& [name, value] : answer.headers) out.append("\r\n").append(name).append(": ").append(value);
  if (!bodiless) out += "\r\nContent-Length: " + std::to_string(answer.body.size());
  if (close) out += "\r\nConnection: close";
  out += "\r\n\r\n";
  if (!head && !bodiless) out += answer.body;
  return out;
}

/// One connection. It listens also while a handler runs, so that a peer that hangs up is noticed then.
class session : public std::enable_shared_from_this<session> {
 public:
  session(tcp::socket connected, framing_limits limits) : socket(std::move(connected)), reader(limits) {}

  /// Waits until more bytes are there; false when there will be none: the peer has gone, or its time is over.
  task<bool> more() {
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

  tcp::socket socket;
  request_reader reader;
  const std::shared_ptr<peer> from = std::make_shared<peer>();
  timers::time_point deadline = timers::time_point::max();
  bool idle = true;  ///< between two requests

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
    if (!discarding_) reader.feed({bytes.data(), got});
    if (failed && failed != asio::error::would_block) {
      ended_ = true;
      from->leave();
    }
    if (watching_) listen();
    if (heard_) heard_->set(true);
  }

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
        sessions_done_(env.executor),
        ticks_(env) {
    bind();
  }

  std::string url() const {
    const auto bound = acceptor_.local_endpoint();
    const auto host = bound.address().is_v6() ? "[" + bound.address().to_string() + "]" : bound.address().to_string();
    return "http://" + host + ":" + std::to_string(bound.port());
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

  void bind() {
    error_code failed;
    const auto address = asio::ip::make_address(options_.address, failed);
    if (failed) throw startup_error("broker.http.address: \"" + options_.address + "\" is not an IP address");
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
                          failed.message() + "; stop what uses the port, or set broker.http.port");
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
    const auto entry = sessions_.insert(sessions_.end(), std::make_shared<session>(std::move(socket), limits));
    sessions_done_.spawn(serve(self, entry));
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
        co_await refuse(s, malformed{503, "Too many connections; try again soon."});
      else
        while (co_await serve_one(s)) {
        }
    } catch (const std::exception& failed) {
      log::error("http", std::string("a connection ended: ") + failed.what());
    }
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
      s.idle = now == state::idle;
      if (stopping_ && s.idle) co_return false;
      if (std::exchange(last, now) != now) {
        began = env_.timers->now();
        if (s.reader.awaits_continue() && now == state::body) co_await write_bytes(s, "HTTP/1.1 100 Continue\r\n\r\n");
      }
      s.deadline = began + allowed_in(now, s.reader.body_bytes());
      if (co_await s.more()) continue;
      if (s.late()) co_await refuse(s, malformed{408, "The request did not come in time."});
      co_return false;
    }
    s.idle = false;
    co_return co_await answer(s);
  }

  milliseconds allowed_in(request_reader::state phase, std::size_t body_bytes) const {
    if (phase == request_reader::state::idle) return options_.idle_timeout;
    if (phase == request_reader::state::header) return options_.header_timeout;
    return allowed_for(body_bytes);
  }

  task<bool> answer(session& s) {
    auto framed = s.reader.take();
    framed.request.from = s.from;
    s.deadline = timers::time_point::max();  // the handler bounds itself
    s.watch_peer(true);
    auto reply = co_await handled(framed.request);
    s.watch_peer(false);
    const bool close_after = !framed.keep_alive || stopping_;
    if (framed.http_10 && !close_after) reply.headers.add("Connection", "keep-alive");
    co_return co_await write(s, reply, framed.request.method == "HEAD", close_after) && !close_after;
  }

  task<response> handled(const request& asked) {
    try {
      co_return co_await handle_(asked);
    } catch (const unavailable& failed) {
      log::debug("http", std::string("answered 503: ") + failed.what());
      auto reply = word_fault_(503, "Not available right now; nothing is known to have been changed. Try again soon.",
                               asked.target);
      reply.headers.add("Retry-After", "1");
      co_return reply;
    } catch (const std::exception& failed) {
      log::error("http", "answered 500 to " + asked.method + " " + std::string(asked.path()) + ": " + failed.what());
      co_return word_fault_(500, "An internal error; the log of the server tells more.", asked.target);
    }
  }

  task<bool> write(session& s, const response& reply, bool head, bool close_after) {
    const auto bytes = serialized(reply, head, close_after);
    co_return co_await write_bytes(s, bytes);
  }

  task<bool> write_bytes(session& s, std::string_view bytes) {
    set_deadline(s, allowed_for(bytes.size()));
    error_code failed;
    co_await asio::async_write(s.socket, asio::buffer(bytes), use_error_code(failed));
    co_return !failed;
  }

  /// Answers and reads on for a moment: closing with unread bytes would reset the connection before the answer is read.
  task<void> refuse(session& s, malformed why) {
    s.idle = false;
    s.discard();
    const auto reply = word_fault_(why.status, why.detail, why.target);
    if (!co_await write(s, reply, why.head, true)) co_return;
    error_code ignored;
    s.socket.shutdown(tcp::socket::shutdown_send, ignored);
    set_deadline(s, milliseconds(2'000));
    while (co_await s.more()) {
    }
  }

  static constexpr std::size_t refusals_max = 128;
  static constexpr int accepted_at_once_max = 128;

  environment env_;
  server_options options_;
  handler handle_;
  fault word_fault_;
  tcp::acceptor acceptor_;
  session_list sessions_;
  task_group sessions_done_;
  task_group loops_{env_.executor};
  alarm_clock ticks_;
  alarm_clock deadlines_{env_};
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
