#include "tests/support/engine_place.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "queue_system/registration.hpp"
#include "tests/support/rabbitmq.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/unique_name.hpp"
#ifdef AMC_HAS_KAFKA
#include "tests/support/kafka.hpp"
#endif

namespace amc::tests {
namespace {

std::string in_upper_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string variable_of(const served_engine& engine) {
  return "AMC_TEST_" + in_upper_case(engine.name) + "_" + in_upper_case(engine.key);
}

std::string test_server_of(const served_engine& engine) {
  const auto variable = variable_of(engine);
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

std::vector<std::string> with_prefix(const std::string& prefix, std::vector<std::string> queues) {
  for (auto& queue : queues) queue.insert(0, prefix);
  return queues;
}

/// An engine more is one entry more.
std::vector<served_engine> known_engines() {
  using names = std::vector<std::string>;
  std::vector<served_engine> all{
      {.name = "rabbitmq",
       .wipe = [](const std::string& url, const std::string& prefix,
                  const names& queues) { delete_rabbitmq_queues(url, with_prefix(prefix, queues)); }},
      {.name = "nats",
       .wipe = [](const std::string& url, const std::string& prefix, const names&) { delete_stream(url, prefix); },
       .impatient = {"ack_wait_ms=1000"}},
#ifdef AMC_HAS_KAFKA
      {.name = "kafka",
       .key = "brokers",
       .wipe = [](const std::string& brokers, const std::string& prefix,
                  const names& queues) { delete_topics(brokers, with_prefix(prefix, queues)); },
       .impatient = {"session_timeout_ms=1000"},
       .is_everywhere = false},
#endif
      {.name = "redis",
       .wipe = [](const std::string& url, const std::string& prefix, const names&) { delete_keys(url, prefix); },
       .impatient = {"claim_ms=1000"}},
  };
  std::erase_if(all, [](const auto& each) { return !is_built_in(each.name); });
  return all;
}

}  // namespace

const std::vector<served_engine>& served_engines() {
  static const auto all = known_engines();
  return all;
}

std::vector<std::string> served_engine_names() {
  std::vector<std::string> names;
  for (const auto& each : served_engines()) names.push_back(each.name);
  return names;
}

bool is_built_in(const std::string& engine) {
  const auto& all = queue_system::registrations();
  return std::any_of(all.begin(), all.end(), [&](const auto& each) { return each.name == engine; });
}

bool has_server(const std::string& engine) {
  const auto& all = served_engines();
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& each) { return each.name == engine && std::getenv(variable_of(each).c_str()); });
}

std::string why_no_server(const std::string& engine) {
  for (const auto& each : served_engines())
    if (each.name == engine && !each.is_everywhere && !has_server(engine))
      return variable_of(each) + " names no server; scripts/test-server " + engine + " says why";
  return "";
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

engine_place::engine_place(const std::string& engine, std::string server, std::string prefix)
    : server_(std::move(server)), prefix_(std::move(prefix)) {
  std::signal(SIGPIPE, SIG_IGN);  // as the program does
  const auto& all = served_engines();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == engine; });
  if (found == all.end()) throw std::runtime_error("no engine of this build: " + engine);
  engine_ = &*found;
  if (server_.empty()) server_ = test_server_of(*engine_);
  if (prefix_.empty()) prefix_ = "test-" + unique_name('-') + ".";
}

engine_place::~engine_place() {
  try {
    wipe();
  } catch (const std::exception&) {
    // the server may be gone already
  }
}

std::string engine_place::server_set() const {
  return "queue_system." + engine_->name + "." + engine_->key + "=" + server_;
}

std::vector<std::string> engine_place::sets() const {
  return {"queue_system.platform=" + engine_->name, server_set(), "queue_system.prefix=" + prefix_};
}

std::vector<std::string> engine_place::impatient_sets() const {
  auto all = sets();
  for (const auto& key : engine_->impatient) all.push_back("queue_system." + engine_->name + "." + key);
  return all;
}

void engine_place::wipe(const std::vector<std::string>& more) const {
  std::vector<std::string> queues{"q", "r", "topic-a", "topic-b", "nobody-has-heard-of-this"};
  queues.insert(queues.end(), more.begin(), more.end());
  if (engine_->wipe) engine_->wipe(server_, prefix_, queues);
}

}  // namespace amc::tests
