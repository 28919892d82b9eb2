#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <cstdint>

#include "http/framing.hpp"
#include "tests/fuzz/expect.hpp"
#include "tests/fuzz/strict_http.hpp"

/// Bytes of a connection. A request that is accepted has exactly one reading: the same however the bytes arrive, the
/// same as a strict reader's that shares no code, and the same again when it is written down and read once more.
namespace amc::fuzz {
namespace {

using http::framed_request;
using http::request_reader;
using state = request_reader::state;

constexpr http::framing_limits limits{512, 256};

struct reading {
  std::vector<framed_request> requests{};
  std::vector<std::size_t> ends{};  ///< how many bytes had been fed by then
  bool refused = false;
};

/// `piece(n)`: how many bytes to feed next, when n are left.
template <class Piece>
reading read(std::string_view bytes, const Piece& piece) {
  request_reader reader(limits);
  reading all;
  for (std::size_t fed = 0;;) {
    const auto now = reader.advance();
    expect(reader.body_bytes() <= limits.body_max_bytes, "a body stays within its limit");
    if (now == state::refused) {
      all.refused = true;
      return all;
    }
    if (now == state::complete) {
      all.requests.push_back(reader.take());
      all.ends.push_back(fed);
      continue;
    }
    if (fed == bytes.size()) return all;
    expect(reader.room() > 0, "a reader that is not done takes more");
    const auto part = bytes.substr(fed, std::min(piece(bytes.size() - fed), reader.room()));
    reader.feed(part);
    fed += part.size();
  }
}

bool same(const framed_request& a, const framed_request& b) {
  const auto same_field = [](const http::header& x, const http::header& y) {
    return x.name == y.name && x.value == y.value;
  };
  return a.request.method == b.request.method && a.request.target == b.request.target &&
         a.request.body == b.request.body && a.http_10 == b.http_10 && a.keep_alive == b.keep_alive &&
         std::equal(a.request.headers.begin(), a.request.headers.end(), b.request.headers.begin(),
                    b.request.headers.end(), same_field);
}

void expect_same(const reading& a, const reading& b, std::string_view what) {
  expect(a.requests.size() == b.requests.size() && a.refused == b.refused, what, "as many requests");
  for (std::size_t i = 0; i < a.requests.size(); ++i) expect(same(a.requests[i], b.requests[i]), what, "the same one");
}

using fields = std::vector<std::pair<std::string, std::string>>;

/// Sorted by name: only the order of fields of one name means anything, and only that is kept.
fields in_order(fields all) {
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return boost::beast::iless{}(a.first, b.first); });
  return all;
}

void expect_as_strict(const framed_request& got, std::string_view bytes) {
  const auto strict = read_strictly(bytes);
  expect(strict.has_value(), "a strict reader takes what is accepted", bytes);
  expect(strict->size == bytes.size(), "it ends where a strict reader ends it", bytes);
  expect(strict->method == got.request.method && strict->body == got.request.body, "method and body", bytes);
  const auto path = std::string_view(got.request.target).substr(strict->target.ends_with(got.request.target) ? 0 : 1);
  const bool whole = strict->target.starts_with('/') || strict->target == "*";
  expect(whole ? strict->target == got.request.target : strict->target.ends_with(path), "target", bytes);
  fields got_fields;
  for (const auto& [name, value] : got.request.headers) got_fields.emplace_back(name, value);
  expect(in_order(std::move(got_fields)) == in_order(strict->fields), "fields", bytes);
}

std::string written(const framed_request& one) {
  std::string out = one.request.method + " " + one.request.target + (one.http_10 ? " HTTP/1.0" : " HTTP/1.1") + "\r\n";
  for (const auto& [name, value] : one.request.headers) out.append(name).append(":").append(value).append("\r\n");
  return out + "\r\n" + one.request.body;
}

}  // namespace
}  // namespace amc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace amc::fuzz;
  const auto bytes = text_of(data, size);
  const auto byte_by_byte = read(bytes, [](std::size_t) { return std::size_t{1}; });
  expect_same(byte_by_byte, read(bytes, [](std::size_t left) { return left; }), "whole as byte by byte");
  std::uint32_t dice = static_cast<std::uint32_t>(size);
  expect_same(
      byte_by_byte,
      read(bytes, [&](std::size_t) { return std::size_t{1} + ((dice = dice * 1'664'525 + 1'013'904'223) >> 28); }),
      "in pieces as byte by byte");
  std::size_t begin = 0;
  for (std::size_t i = 0; i < byte_by_byte.requests.size(); ++i) {
    const auto& one = byte_by_byte.requests[i];
    expect_as_strict(one, bytes.substr(begin, byte_by_byte.ends[i] - begin));
    begin = byte_by_byte.ends[i];
    (void)one.request.parameter("id");
    (void)one.request.headers.find("prefer");
    if (one.request.headers.find("transfer-encoding")) continue;  // written without its chunks it is another one
    const auto again = read(written(one), [](std::size_t left) { return left; });
    expect(again.requests.size() == 1 && same(again.requests[0], one), "written down and read again it is the same");
  }
  return 0;
}
