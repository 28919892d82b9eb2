#include "http/server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <list>

#include "amc/error.hpp"
#include "core/log.hpp"

namespace amc::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;
using parser = beast::http::request_parser<beast::http::string_body>;

constexpr auto use_error_code = [](error_code& failed) { return asio::redirect_error(asio::use_awaitable, failed); };

/// A request that cannot be answered by the handler: the status to say so with. The connection is closed after it.
struct malformed {
  // The constructor keeps g++ 12 from destroying temporaries in a co_await twice, as it does with aggregates.
  malformed(int answer_status, std::string answer_detail) : status(answer_status), detail(std::move(answer_detail)) {}
  int status;
  std::string detail;
  std::string target{};
};

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

/// Beast is lenient where leniency lets one byte stream be read as two different ones.
std::optional<malformed> framing_fault(const parser& parsed, std::string_view raw_header) {
  const auto& header = parsed.get();
  if (raw_header.find("\r\n ") != std::string_view::npos || raw_header.find("\r\n\t") != std::string_view::npos)
    return malformed{400, "A header field continues on the next line; write it on one."};
  const auto encoding = header.find(beast::http::field::transfer_encoding);
  if (encoding != header.end()) {
    if (header.count(beast::http::field::transfer_encoding) > 1 || !beast::iequals(encoding->value(), "chunked"))
      return malformed{400, "The only Transfer-Encoding known here is chunked."};
    if (header.find(beast::http::field::content_length) != header.end())
      return malformed{400, "Send Transfer-Encoding or Content-Length, not both."};
    if (header.version() < 11) return malformed{400, "HTTP/1.0 has no Transfer-Encoding."};
  }
  const auto hosts = header.count(beast::http::field::host);
  if (hosts > 1 || (hosts == 0 && header.version() >= 11)) return malformed{400, "Send exactly one Host field."};
  return {};
}

malformed parse_fault(error_code failed) {
  if (failed == beast::http::error::body_limit) return {413, "The body is larger than this server takes."};
  if (failed == beast::http::error::header_limit) return {431, "The header is larger than this server takes."};
  return {400, "Not a valid HTTP request: " + failed.message() + "."};
}

request to_request(parser& parsed) {
  auto& message = parsed.get();
  request converted;
  converted.method = std::string(message.method_string());
  converted.target = std::string(message.target());
  for (const auto& field : message) converted.headers.add(std::string(field.name_string()), std::string(field.value()));
  converted.body = std::move(message.body());
  return converted;
}

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
    while (!stopping_) {
      error_code failed;
      auto socket = co_await acceptor_.async_accept(use_error_code(failed));
      if (stopping_) break;
      if (failed) {
        // Out of descriptors, most likely: connections that close make room.
        log::warning("http", "cannot accept a connection: " + failed.message());
        co_await ticks_.sleep(milliseconds(100));
        continue;
      }
      socket.set_option(tcp::no_delay(true), failed);
      const auto entry = sessions_.emplace(sessions_.end(), std::move(socket));
      sessions_done_.spawn(serve(self, entry));
    }
  }

  // One look at all connections now and then is cheaper than a timer for each request.
  task<void> deadline_loop(std::shared_ptr<implementation> /*keeps this alive*/) {
    while (!sessions_.empty() || !stopping_) {
      co_await deadlines_.sleep(milliseconds(100));
      const auto now = env_.timers->now();
      for (auto& s : sessions_)
        if (s.deadline < now || (stopping_ && s.idle)) close(s);
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
      for (auto& s : sessions_) close(s);
    });
    co_await sessions_done_.drain();
    deadlines_.poke();
    co_await loops_.drain();
  }

 private:
  struct session {
    explicit session(tcp::socket connected) : socket(std::move(connected)) {}
    tcp::socket socket;
    beast::flat_buffer buffer;
    timers::time_point deadline = timers::time_point::max();
    bool idle = true;
  };
  using session_list = std::list<session>;

  void bind() {
    error_code failed;
    const auto address = asio::ip::make_address(options_.address, failed);
    if (failed) throw startup_error("broker.http.address: \"" + options_.address + "\" is not an IP address");
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), failed);
    if (!failed) acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
    if (!failed) acceptor_.bind(endpoint, failed);
    if (!failed) acceptor_.listen(asio::socket_base::max_listen_connections, failed);
    if (failed)
      throw startup_error("cannot listen on " + options_.address + ":" + std::to_string(options_.port) + ": " +
                          failed.message() + "; stop what uses the port, or set broker.http.port");
  }

  static void close(session& s) {
    error_code ignored;
    s.socket.close(ignored);
  }

  void set_deadline(session& s, milliseconds from_now) { s.deadline = env_.timers->now() + from_now; }

  task<void> serve(std::shared_ptr<implementation> /*keeps this alive*/, session_list::iterator entry) {
    session& s = *entry;
    s.buffer.max_size(options_.header_max_bytes + read_size);
    try {
      if (sessions_.size() > options_.connections_max)
        co_await refuse(s, malformed{503, "Too many connections; try again soon."});
      else
        while (co_await serve_one(s)) {
        }
    } catch (const std::exception& failed) {
      log::error("http", std::string("a connection ended: ") + failed.what());
    }
    close(s);
    sessions_.erase(entry);
  }

  /// One request and its answer; false when the connection is finished.
  task<bool> serve_one(session& s) {
    const auto header_size = co_await read_header(s);
    if (!header_size) co_return false;
    parser parsed;
    parsed.eager(false);
    parsed.header_limit(static_cast<std::uint32_t>(options_.header_max_bytes + 1));
    parsed.body_limit(options_.body_max_bytes);
    const auto raw = std::string_view(static_cast<const char*>(s.buffer.data().data()), *header_size);
    error_code failed;
    const auto used = parsed.put(asio::const_buffer(raw.data(), raw.size()), failed);
    std::optional<malformed> fault;
    if (failed)
      fault = parse_fault(failed);
    else
      fault = framing_fault(parsed, raw);
    s.buffer.consume(used);
    if (!fault) fault = co_await read_body(s, parsed);
    if (fault) {
      fault->target = std::string(parsed.get().target());
      if (fault->status != 0) co_await refuse(s, *fault);
      co_return false;
    }
    co_return co_await answer(s, parsed);
  }

  /// The size of the header at the front of the buffer; nothing when the connection is finished.
  task<std::optional<std::size_t>> read_header(session& s) {
    s.idle = s.buffer.size() == 0;
    set_deadline(s, s.idle ? options_.idle_timeout : options_.header_timeout);
    if (stopping_ && s.idle) co_return std::nullopt;
    for (std::size_t searched = 0;;) {
      const auto data = std::string_view(static_cast<const char*>(s.buffer.data().data()), s.buffer.size());
      const auto end = data.find("\r\n\r\n", searched < 3 ? 0 : searched - 3);
      const auto size = end == std::string_view::npos ? data.size() : end + 4;
      if (size > options_.header_max_bytes) {
        co_await refuse(s, malformed{431, "The header is larger than this server takes."});
        co_return std::nullopt;
      }
      if (end != std::string_view::npos) co_return size;
      searched = data.size();
      error_code failed;
      const auto got = co_await s.socket.async_read_some(s.buffer.prepare(read_size), use_error_code(failed));
      if (failed) co_return std::nullopt;
      if (s.idle) set_deadline(s, options_.header_timeout);
      s.idle = false;
      s.buffer.commit(got);
    }
  }

  /// A fault with status 0 means that the peer has gone.
  task<std::optional<malformed>> read_body(session& s, parser& parsed) {
    if (parsed.is_done()) co_return std::nullopt;
    set_deadline(s, options_.body_timeout);
    error_code failed;
    if (beast::iequals(parsed.get()[beast::http::field::expect], "100-continue")) {
      constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(s.socket, asio::buffer(go_on), use_error_code(failed));
    }
    const auto fields = std::distance(parsed.get().begin(), parsed.get().end());
    if (!failed) co_await beast::http::async_read(s.socket, s.buffer, parsed, use_error_code(failed));
    if (failed && failed.category() == beast::http::make_error_code(beast::http::error::end_of_stream).category() &&
        failed != beast::http::error::partial_message)
      co_return parse_fault(failed);
    if (failed) co_return malformed{0, ""};
    if (std::distance(parsed.get().begin(), parsed.get().end()) != fields)
      co_return malformed{400, "Trailer fields are not taken."};
    co_return std::nullopt;
  }

  task<bool> answer(session& s, parser& parsed) {
    const bool keep = parsed.get().keep_alive();
    const bool version_10 = parsed.get().version() < 11;
    const bool head = parsed.get().method() == beast::http::verb::head;
    s.deadline = timers::time_point::max();  // the handler bounds itself
    const auto converted = to_request(parsed);
    auto reply = co_await handled(converted);
    const bool close_after = !keep || stopping_;
    if (version_10 && !close_after) reply.headers.add("Connection", "keep-alive");
    co_return co_await write(s, reply, head, close_after) && !close_after;
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
    set_deadline(s, options_.body_timeout);
    const auto bytes = serialized(reply, head, close_after);
    error_code failed;
    co_await asio::async_write(s.socket, asio::buffer(bytes), use_error_code(failed));
    co_return !failed;
  }

  /// Answers and reads on for a moment: closing with unread bytes would reset the connection before the answer is read.
  task<void> refuse(session& s, const malformed& why) {
    const auto reply = word_fault_(why.status, why.detail, why.target);
    if (!co_await write(s, reply, false, true)) co_return;
    error_code failed;
    s.socket.shutdown(tcp::socket::shutdown_send, failed);
    set_deadline(s, milliseconds(2'000));
    s.buffer.clear();
    while (!failed) co_await s.socket.async_read_some(s.buffer.prepare(read_size), use_error_code(failed));
  }

  static constexpr std::size_t read_size = 16'384;

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
