#include "app/demo.hpp"

#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "app/processes.hpp"
#include "core/log.hpp"
#include "core/standard_streams.hpp"
#include "core/temporary_folder.hpp"
#include "core/text.hpp"

namespace amc::app {
namespace {

/// Prints lines with the time since its making, from any thread.
class timeline {
 public:
  void add(std::string_view who, std::string_view text) {
    const std::lock_guard lock(mutex_);
    const auto passed = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_);
    char time[40];
    std::snprintf(time, sizeof time, "%7.1f ms  ", passed.count());
    std::string line = time + escaped(who);
    line.resize(std::max<std::size_t>(line.size(), std::string_view(time).size() + 10), ' ');
    if (readable_) try_to_print(line + escaped(text) + "\n");
  }

  /// The part about one message begins; times count from here.
  void begin() {
    const std::lock_guard lock(mutex_);
    start_ = std::chrono::steady_clock::now();
  }

 private:
  /// Lines come from threads of the broker and the services too; what ends the demo is the last print.
  void try_to_print(const std::string& line) {
    try {
      print(line);
    } catch (const output_failed&) {
      readable_ = false;
    }
  }

  std::mutex mutex_;
  bool readable_ = true;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

int demo(config_sources sources, const std::vector<config_provider>& known) {
  const temporary_folder folder("amc-demo");
  sources.sets.insert(
      sources.sets.end(),
      {"broker.store.engine=sqlite", "queue_system.platform=embedded",
       "broker.store.sqlite.path=" + folder.path() + "/amc.db", "broker.http.address=127.0.0.1", "broker.http.port=0",
       "broker.admin.address=", "broker.access.tokens_file=", "broker.access.jwt.keys_file=",
       "broker.access.jwt.keys_url=", "broker.http.tls.certificate_file=", "broker.http.tls.key_file=",
       "broker.http.tls.client_ca_file=", "broker.http.tls.crl_file=",
       "consumer_services.broker_client.certificate_file=", "consumer_services.broker_client.key_file=",
       "consumer_services.broker_client.token_file="});
  const auto settings = load_config(known, sources);
  timeline shown;
  log::redirect([&](const log::line& line) {
    if (line.subject)
      shown.add(line.component, std::string(line.text) + "  (revision " + std::to_string(line.subject->revision) + ")");
    else if (line.severity >= log::level::warning)
      shown.add(line.component, line.text);
  });
  const auto ask = [&](const std::string& url) -> std::optional<int> {
    print("A message travels: requester, broker, ServiceA, broker, ServiceB, store, requester.\n\n");
    shown.begin();
    shown.add("Requester", "POST / {\"message\": \"Hi, \"} to " + url);
    const auto came = converse(settings, url, "Hi, ");
    shown.add("Requester", came.answered ? "has the answer: " + came.text : "failed: " + came.text);
    return came.answered ? 0 : 1;
  };
  const int exit_code = all_process(
      settings, [&] { return config(settings); }, ask);
  if (exit_code == 0)
    print("\nEvery step was durable before anybody was told. Next: make serve, then amc requester.\n");
  return exit_code;
}

}  // namespace amc::app
