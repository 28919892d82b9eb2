#include <boost/json/serialize.hpp>
#include <cstdint>

#include "broker/router.hpp"
#include "tests/fuzz/expect.hpp"
#include "tests/fuzz/few_keys.hpp"

/// Route patterns, one a line up to an empty one, and a text behind it. A pattern is refused with its reason, or
/// matching ends soon (the fuzzer has a time-out) and does not mind white space around the text.
namespace amc::fuzz {
namespace {

namespace json = boost::json;

config settings_with(std::string_view patterns) {
  json::array routes;
  while (!patterns.empty()) {
    const auto end = std::min(patterns.find('\n'), patterns.size());
    routes.push_back(json::object{{"match", patterns.substr(0, end)}, {"queue", "q" + std::to_string(routes.size())}});
    patterns.remove_prefix(std::min(end + 1, patterns.size()));
  }
  config_sources sources{.folder = "/nowhere"};
  sources.sets.push_back("broker.routes=" + json::serialize(routes));
  return load_config(few_keys(), sources);
}

std::string queue_of(const broker::router& routes, const std::string& text) {
  const auto to = routes.route(text);
  return to ? std::get<broker::life_cycle::to_queue>(*to).name : "";
}

}  // namespace
}  // namespace amc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace amc;
  const auto input = fuzz::text_of(data, size);
  const auto end = std::min(input.find("\n\n"), input.size());
  const std::string text(input.substr(std::min(end + 2, input.size())));
  try {
    const broker::router routes(fuzz::settings_with(input.substr(0, end)));
    const auto queue = fuzz::queue_of(routes, text);
    fuzz::expect(queue == fuzz::queue_of(routes, " \t\r\n" + text + "\v\f "), "white space does not matter");
  } catch (const config_error& why) {
    fuzz::expect(std::string_view(why.what()).find("broker.routes") != std::string_view::npos,
                 "a refusal names the key", why.what());
  }
  return 0;
}
