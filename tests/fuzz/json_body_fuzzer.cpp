#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdint>

#include "api/json_body.hpp"
#include "core/log.hpp"
#include "tests/fuzz/expect.hpp"
#include "tests/support/broker_world.hpp"

/// Bodies. The first byte picks the call; whatever the rest is, the answer is whole JSON with a status that is not the
/// server's fault, and no text that cannot be stored gets through.
namespace amc::fuzz {
namespace {

namespace json = boost::json;

constexpr const char* known_id = "01890a5d-ac96-774b-bcce-b302099a8057";

struct call {
  const char* method;
  const char* target;
};

constexpr call calls[] = {
    {"POST", "/messages"},
    {"POST", "/"},
    {"PUT", "/?id=01890a5d-ac96-774b-bcce-b302099a8057"},
    {"PUT", "/messages/"},
    {"POST", "/claims"},
    {"POST", "/leases"},
    {"POST", "/releases"},
    {"POST", "/failures"},
    {"POST", "/retries"},
    {"POST", "/answers"},
    {"POST", "/queues/topic-a/receive"},
    {"POST", "/queues/topic-a/messages"},
};

void read_message(std::string_view body) {
  const auto parsed = api::parse_body(body);
  if (!parsed) return expect(!parsed.error().detail.empty(), "a refusal says why");
  const auto answer = api::answer_of(body);
  if (!answer) return;
  const auto& text = answer->said.text;
  expect(text.find('\0') == std::string::npos, "a message has no U+0000");
  const auto wrapped = api::answer_of(json::serialize(json::object{{"message", text}}));
  expect(wrapped && wrapped->said.text == text, "a message is valid UTF-8", text);
}

void ask(const call& which, const std::string& body) {
  tests::broker_world w;
  const auto id = parse_uuid(known_id).value();
  (void)w.world.run(w.messages->accept(id, "Hi, "));
  const auto target = std::string(which.target) + (std::string_view(which.target).ends_with("s/") ? known_id : "");
  const auto reply = w.ask(which.method, target, body, http::headers{{"If-Match", "*"}});
  expect(reply.status >= 200 && reply.status < 500, "the answer is no fault of the server",
         std::to_string(reply.status));
  boost::system::error_code failed;
  const auto answered = json::parse(reply.body, failed);
  expect(!failed, "the answer is JSON", reply.body);
  if (reply.status >= 400) expect(answered.at("detail").is_string(), "a refusal says why", reply.body);
}

}  // namespace
}  // namespace amc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace amc::fuzz;
  if (size == 0) return 0;
  const std::string body(text_of(data + 1, size - 1));
  read_message(body);
  ask(calls[data[0] % std::size(calls)], body);
  return 0;
}
