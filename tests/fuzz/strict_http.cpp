#include "tests/fuzz/strict_http.hpp"

#include <algorithm>
#include <cctype>

namespace amc::fuzz {
namespace {

bool is_token(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c < 0x80 &&
           (std::isalnum(c) || std::string("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string::npos);
  });
}

bool is_plain(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.erase(0, 1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
  return text;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// Takes lines and bytes from the front.
struct cursor {
  std::string_view left;

  std::optional<std::string> line() {
    const auto end = left.find("\r\n");
    if (end == std::string_view::npos) return {};
    std::string taken(left.substr(0, end));
    left.remove_prefix(end + 2);
    if (!is_plain(taken)) return {};
    return taken;
  }

  std::optional<std::string> bytes(std::size_t count) {
    if (left.size() < count) return {};
    std::string taken(left.substr(0, count));
    left.remove_prefix(count);
    return taken;
  }
};

bool read_request_line(const std::string& line, strict_request& into) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string::npos || first == last) return false;
  into.method = line.substr(0, first);
  into.target = line.substr(first + 1, last - first - 1);
  const auto version = line.substr(last + 1);
  return is_token(into.method) && !into.target.empty() && into.target.find_first_of(" \t") == std::string::npos &&
         (version == "HTTP/1.0" || version == "HTTP/1.1");
}

bool read_field(const std::string& line, strict_request& into) {
  const auto colon = line.find(':');
  if (colon == std::string::npos || !is_token(line.substr(0, colon))) return false;
  into.fields.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  return true;
}

std::vector<std::string> values(const strict_request& in, const std::string& name) {
  std::vector<std::string> found;
  for (const auto& [key, value] : in.fields)
    if (lower(key) == name) found.push_back(value);
  return found;
}

bool read_chunks(cursor& at, std::string& body) {
  for (;;) {
    const auto line = at.line();
    if (!line) return false;
    const auto digits = line->substr(0, line->find_first_not_of("0123456789abcdefABCDEF"));
    const auto extension = trimmed(line->substr(digits.size()));
    if (digits.empty() || digits.size() > 16 || (digits.size() < line->size() && !extension.starts_with(';')))
      return false;
    const auto size = std::stoull(digits, nullptr, 16);
    if (size == 0) return at.bytes(2) == "\r\n";
    const auto data = at.bytes(size);
    if (!data || at.bytes(2) != "\r\n") return false;
    body += *data;
  }
}

}  // namespace

std::optional<strict_request> read_strictly(std::string_view bytes) {
  cursor at{bytes};
  while (at.left.starts_with("\r\n")) at.left.remove_prefix(2);
  strict_request read;
  auto line = at.line();
  if (!line || !read_request_line(*line, read)) return {};
  const bool http_11 = line->ends_with("1.1");
  for (line = at.line(); line && !line->empty(); line = at.line())
    if (!read_field(*line, read)) return {};
  if (!line) return {};
  const auto encodings = values(read, "transfer-encoding");
  const auto lengths = values(read, "content-length");
  const auto named = values(read, "host");
  const auto hosts = named.size();
  if (hosts == 1 && read.target.front() != '/' && read.target != "*") {
    const auto begin = read.target.find("://") + 3;
    const auto authority = lower(read.target.substr(begin, read.target.find_first_of("/?", begin) - begin));
    const std::string port = lower(read.target).starts_with("https") ? ":443" : ":80";
    if (authority != lower(named[0]) && authority + port != lower(named[0]) && authority != lower(named[0]) + port)
      return {};
  }
  if (hosts > 1 || (http_11 && hosts == 0) || encodings.size() + lengths.size() > 1) return {};
  if (!encodings.empty() && (!http_11 || lower(encodings[0]) != "chunked" || !read_chunks(at, read.body))) return {};
  if (!lengths.empty()) {
    const auto& length = lengths[0];
    if (length.empty() || length.find_first_not_of("0123456789") != std::string::npos) return {};
    const auto zeros = std::min(length.find_first_not_of('0'), length.size());
    if (length.size() - zeros > 9) return {};
    auto body = at.bytes(zeros == length.size() ? 0 : std::stoull(length));
    if (!body) return {};
    read.body = std::move(*body);
  }
  read.size = bytes.size() - at.left.size();
  return read;
}

}  // namespace amc::fuzz
