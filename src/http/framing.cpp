#include "http/framing.hpp"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>

namespace amc::http {
namespace {

namespace beast = boost::beast;
using field = beast::http::field;
using header_parser = beast::http::request_parser<beast::http::empty_body>;

/// Bytes that may follow the end of a header or body before it is read: pipelined requests.
constexpr std::size_t read_ahead_bytes = 16'384;
/// Of one line that says how large a chunk is, and of all extensions of a body's chunks. Nobody here reads them.
constexpr std::size_t chunk_line_max_bytes = 1'024;
constexpr std::size_t chunk_extensions_max_bytes = 4'096;

/// A line feed without its carriage return: the end of a line to some readers, not to others.
bool has_bare_line_feed(std::string_view bytes, std::size_t from) {
  for (auto at = bytes.find('\n', from); at != std::string_view::npos; at = bytes.find('\n', at + 1))
    if (at == 0 || bytes[at - 1] != '\r') return true;
  return false;
}

bool is_folded(std::string_view header) {
  return header.find("\r\n ") != std::string_view::npos || header.find("\r\n\t") != std::string_view::npos;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
  });
}

/// Beast is lenient where leniency lets one byte stream be read as two different ones.
std::optional<malformed> framing_fault(const header_parser::value_type& header) {
  const auto encoding = header.find(field::transfer_encoding);
  const auto length = header.find(field::content_length);
  if (encoding != header.end()) {
    if (header.count(field::transfer_encoding) > 1 || !beast::iequals(encoding->value(), "chunked"))
      return malformed{400, "The only Transfer-Encoding known here is chunked."};
    if (length != header.end()) return malformed{400, "Send Transfer-Encoding or Content-Length, not both."};
    if (header.version() < 11) return malformed{400, "HTTP/1.0 has no Transfer-Encoding."};
  }
  if (length != header.end() && (header.count(field::content_length) > 1 || !all_digits(length->value())))
    return malformed{400, "Send one Content-Length, with one number."};
  const auto hosts = header.count(field::host);
  if (hosts > 1 || (hosts == 0 && header.version() >= 11)) return malformed{400, "Send exactly one Host field."};
  return {};
}

/// Names the limits as they are configured.
malformed body_too_large(const framing_limits& limits) {
  return {413, "The body has more than " + std::to_string(limits.body_max_bytes) +
                   " bytes (broker.http.body_max_bytes): send less, or raise it."};
}

malformed header_too_large(const framing_limits& limits) {
  return {431, "The header has more than " + std::to_string(limits.header_max_bytes) +
                   " bytes (broker.http.header_max_bytes): send less, or raise it."};
}

malformed parse_fault(boost::system::error_code failed, const framing_limits& limits) {
  if (failed == beast::http::error::body_limit) return body_too_large(limits);
  return {400, "Not a valid HTTP request: " + failed.message() + "."};
}

struct parsed_target {
  std::string path{};  ///< and query
  std::optional<std::string> authority{};
  std::string_view default_port{};  ///< ":80", of the authority
};

/// Readers differ in which of two that are not the same counts.
bool names_same_server(const parsed_target& target, std::string_view host) {
  const auto without_port = [&](std::string_view authority) {
    return authority.substr(
        0, authority.size() - (authority.ends_with(target.default_port) ? target.default_port.size() : 0));
  };
  return beast::iequals(without_port(*target.authority), without_port(host));
}

/// Whichever form the target has; nothing when it names nothing on this server.
std::optional<parsed_target> path_and_query(std::string_view method, std::string_view target) {
  if (target.starts_with('/') || (target == "*" && method == "OPTIONS")) return parsed_target{std::string(target)};
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!beast::iequals(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const auto end = std::min(target.find_first_of("/?"), target.size());
    if (end == 0) return {};
    const auto rest = target.substr(end);
    return parsed_target{(rest.starts_with('/') ? "" : "/") + std::string(rest), std::string(target.substr(0, end)),
                         scheme == "http://" ? ":80" : ":443"};
  }
  return {};
}

}  // namespace

std::size_t request_reader::room() const {
  if (state_ == state::refused) return 0;
  const auto capacity = limits_.header_max_bytes + read_ahead_bytes;
  return capacity - std::min(capacity, rest().size());
}

void request_reader::feed(std::string_view bytes) {
  pending_.erase(0, std::exchange(begin_, 0));
  pending_ += bytes;
}

request_reader::state request_reader::advance() {
  if (state_ == state::idle || state_ == state::header) read_header();
  if (state_ == state::body) chunked_ ? read_chunks() : read_body();
  return state_;
}

framed_request request_reader::take() {
  state_ = state::idle;
  searched_ = extensions_ = 0;
  // An idle connection holds no memory for what it once sent.
  if (rest().empty()) {
    std::string().swap(pending_);
    begin_ = 0;
  }
  return std::exchange(under_way_, {});
}

malformed request_reader::refusal(int status, std::string detail) const {
  malformed why(status, std::move(detail));
  why.target = under_way_.request.target;
  why.head = under_way_.request.method == "HEAD";
  return why;
}

void request_reader::refuse(const malformed& why) {
  state_ = state::refused;
  fault_.emplace(refusal(why.status, why.detail));
}

void request_reader::read_header() {
  // Some clients end a body with an empty line that belongs to nothing (RFC 9112, 2.2).
  while (rest().starts_with("\r\n")) {
    begin_ += 2;
    searched_ = 0;
  }
  state_ = rest().empty() || rest() == "\r" ? state::idle : state::header;
  const auto end = rest().find("\r\n\r\n", searched_ < 3 ? 0 : searched_ - 3);
  const auto seen = rest().substr(0, end == std::string_view::npos ? end : end + 4);
  if (has_bare_line_feed(seen, searched_)) return refuse({400, "A line of the header ends without a carriage return."});
  if (seen.size() > limits_.header_max_bytes) return refuse(header_too_large(limits_));
  searched_ = seen.size();
  if (end == std::string_view::npos) return;
  parse_header(seen);
  begin_ += seen.size();
}

void request_reader::parse_header(std::string_view raw) {
  if (is_folded(raw)) return refuse({400, "A header field continues on the next line; write it on one."});
  header_parser parsed;
  parsed.header_limit(static_cast<std::uint32_t>(limits_.header_max_bytes + 1));
  parsed.body_limit(limits_.body_max_bytes);
  boost::system::error_code failed;
  parsed.put({raw.data(), raw.size()}, failed);
  const auto& header = parsed.get();
  auto& asked = under_way_.request;
  asked.method = std::string(header.method_string());
  asked.target = std::string(header.target());
  auto fault = failed ? parse_fault(failed, limits_) : framing_fault(header);
  if (fault) return refuse(*fault);
  auto target = path_and_query(asked.method, asked.target);
  if (!target) return refuse({400, "The target is neither a path nor a URL."});
  if (target->authority && header.count(field::host) > 0 && !names_same_server(*target, header[field::host]))
    return refuse({400, "The target and the Host field name two different servers."});
  asked.target = std::move(target->path);
  for (const auto& f : header) asked.headers.add(std::string(f.name_string()), std::string(f.value()));
  under_way_.http_10 = header.version() < 11;
  under_way_.keep_alive = header.keep_alive();
  // A client of HTTP/1.0 does not know what to make of 100.
  awaits_continue_ = !under_way_.http_10 && beast::iequals(header[field::expect], "100-continue");
  chunked_ = parsed.chunked();
  chunk_ = chunk::size;
  left_ = parsed.content_length().value_or(0);
  state_ = state::body;
}

void request_reader::take_body(std::uint64_t up_to) {
  const auto part = rest().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(up_to, rest().size())));
  under_way_.request.body += part;
  begin_ += part.size();
  left_ -= part.size();
}

void request_reader::read_body() {
  take_body(left_);
  if (left_ == 0) state_ = state::complete;
}

// Not by Beast: 1.81 fails an assertion, and with it the process, when the end of a body arrives in small pieces.
void request_reader::read_chunks() {
  for (std::size_t before = 0; state_ == state::body && before != rest().size();) {
    before = rest().size();
    switch (chunk_) {
      case chunk::size:
        read_chunk_size();
        break;
      case chunk::data:
        take_body(left_);
        if (left_ == 0) chunk_ = chunk::end_of_data;
        break;
      case chunk::end_of_data:
        if (passed_line_end("A chunk is longer than it says.")) chunk_ = chunk::size;
        break;
      case chunk::end_of_body:
        if (passed_line_end("Trailer fields are not taken.")) state_ = state::complete;
        break;
    }
  }
}

void request_reader::read_chunk_size() {
  const auto end = rest().find("\r\n");
  const auto line = rest().substr(0, end);
  if (line.size() > chunk_line_max_bytes)
    return refuse({400, "A chunk's extensions are larger than this server takes."});
  if (end == std::string_view::npos) {
    // A carriage return may be the first half of the line's end.
    if (has_control(line.substr(0, line.size() - line.ends_with('\r'))))
      refuse({400, "A chunk's size is not plain text."});
    return;
  }
  std::uint64_t size = 0;
  const auto [digits_end, failed] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  // More digits overflow in some readers, even where the first ones are zeros.
  constexpr std::ptrdiff_t digits_max = 16;
  if (failed != std::errc() || digits_end - line.data() > digits_max)
    return refuse({400, "A chunk's size is not a hexadecimal number of at most 16 digits."});
  const auto extensions = line.substr(static_cast<std::size_t>(digits_end - line.data()));
  const auto first = extensions.find_first_not_of(" \t");
  if (has_control(line) || (!extensions.empty() && (first == std::string_view::npos || extensions[first] != ';')))
    return refuse({400, "A chunk's size is followed by something that is no extension."});
  extensions_ += extensions.size();
  if (extensions_ > chunk_extensions_max_bytes)
    return refuse({400, "The extensions of the chunks are larger than this server takes."});
  if (size > limits_.body_max_bytes - body_bytes()) return refuse(body_too_large(limits_));
  begin_ += line.size() + 2;
  left_ = size;
  chunk_ = size == 0 ? chunk::end_of_body : chunk::data;
}

bool request_reader::passed_line_end(const char* complaint) {
  constexpr std::string_view line_end = "\r\n";
  if (!line_end.starts_with(rest().substr(0, line_end.size()))) refuse({400, complaint});
  if (state_ == state::refused || rest().size() < line_end.size()) return false;
  begin_ += line_end.size();
  return true;
}

}  // namespace amc::http
