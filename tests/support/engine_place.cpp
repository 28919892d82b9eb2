#include "tests/support/engine_place.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "queue_system/platforms.hpp"
#include "tests/support/raw_http.hpp"

namespace amc::tests {
namespace {

std::string in_upper_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string test_server_of(const std::string& engine) {
  const auto variable = "AMC_TEST_" + in_upper_case(engine) + "_URL";
  const char* server = std::getenv(variable.c_str());
  if (!server) throw std::runtime_error(variable + " names no server: run scripts/with-test-servers COMMAND");
  return server;
}

void delete_stream(const std::string& url, const std::string& prefix) {
  auto stream = "amc-" + prefix;
  for (auto at = stream.find('.'); at != std::string::npos; at = stream.find('.')) stream.replace(at, 1, "=2E");
  asked(url, "CONNECT {\"verbose\":false}\r\nSUB answer 1\r\nPUB $JS.API.STREAM.DELETE." + stream + " answer 0\r\n\r\n",
        "}\r\n");
}

std::string as_redis_reads_it(const std::vector<std::string>& words) {
  auto bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const auto& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return bytes;
}

void delete_keys(const std::string& url, const std::string& prefix) {
  asked(url,
        as_redis_reads_it({"EVAL",
                           "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end "
                           "return 'gone'",
                           "0", "amc:" + prefix + "*"}),
        "\r\ngone\r\n");
}

}  // namespace

bool is_built_in(const std::string& engine) {
  const auto known = queue_system::provider();
  const auto choice = std::find_if(known.keys.begin(), known.keys.end(),
                                   [](const auto& key) { return key.path == "queue_system.platform"; });
  return std::find(choice->choices.begin(), choice->choices.end(), engine) != choice->choices.end();
}

std::string asked(const std::string& url, const std::string& bytes, const std::string& end) {
  raw_connection link(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  link.send(bytes);
  std::string answer;
  // NATS says who it is first, on a line that ends like an answer.
  const bool greets = url.starts_with("nats:");
  for (auto found = std::string::npos; found == std::string::npos;) {
    const auto more = link.read_some();
    if (more.empty()) throw std::runtime_error(url + " ended the connection: " + answer);
    answer += more;
    const auto begin = greets ? answer.find('\n') : 0;
    if (begin != std::string::npos) found = answer.find(end, begin + (greets ? 1 : 0));
  }
  return answer;
}

engine_place::engine_place(std::string engine, std::string url)
    : engine_(std::move(engine)), url_(url.empty() ? test_server_of(engine_) : std::move(url)) {
  static std::atomic<int> count = 0;
  std::signal(SIGPIPE, SIG_IGN);  // as the program does
  prefix_ = "test-" + std::to_string(getpid()) + "-" + std::to_string(++count) + ".";
}

engine_place::~engine_place() {
  try {
    wipe();
  } catch (const std::exception&) {
    // the server may be gone already
  }
}

std::vector<std::string> engine_place::sets() const {
  return {"queue_system.platform=" + engine_, "queue_system." + engine_ + ".url=" + url_,
          "queue_system.prefix=" + prefix_};
}

void engine_place::wipe() const {
  if (engine_ == "nats") delete_stream(url_, prefix_);
  if (engine_ == "redis") delete_keys(url_, prefix_);
}

}  // namespace amc::tests
