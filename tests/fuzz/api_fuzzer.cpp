#include <boost/json/parse.hpp>
#include <cstdint>

#include "http/framing.hpp"
#include "tests/fuzz/expect.hpp"
#include "tests/support/broker_world.hpp"

/// Whole requests, one after the other, to a broker that has one message: targets, queries, cursors, preferences, tags
/// and keys. No answer is the server's fault, and what it calls JSON is JSON.
namespace amc::fuzz {
namespace {

constexpr const char* known_id = "01890a5d-ac96-774b-bcce-b302099a8057";

void check(const http::request& asked, const http::response& reply) {
  const auto what = asked.method + " " + asked.target + ": " + std::to_string(reply.status) + " " + reply.body;
  expect(reply.status >= 200 && reply.status < 500, "the answer is no fault of the server", what);
  for (const auto& [name, value] : reply.headers)
    expect(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos, "a field is one line", what);
  const auto type = reply.headers.find("Content-Type").value_or("");
  if (!type.ends_with("json") || reply.body.empty()) return;
  boost::system::error_code failed;
  const auto parsed = boost::json::parse(reply.body, failed);
  expect(!failed, "the answer is JSON", what);
  if (reply.status >= 400) expect(parsed.as_object().contains("detail"), "a refusal says why", what);
}

}  // namespace
}  // namespace amc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace amc;
  tests::broker_world w;
  (void)w.world.run(w.messages->accept(parse_uuid(fuzz::known_id).value(), "Hi, "));
  http::request_reader reader({4'096, 4'096});
  reader.feed(fuzz::text_of(data, std::min(size, reader.room())));
  while (reader.advance() == http::request_reader::state::complete) {
    auto asked = reader.take().request;
    fuzz::check(asked, w.world.run(w.api->handle(asked)));
  }
  return 0;
}
