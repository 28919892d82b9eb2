#include "consumer_services/services.hpp"

#include <random>

#include "core/log.hpp"
#include "core/text.hpp"

namespace amc::consumer_services {
namespace {

void log_step(const char* service, const delivery& work, const std::string& received, const std::string& sent,
              const char* where) {
  if (!log::enabled(log::level::debug)) return;
  log::debug(service, "Received \"" + received + "\", sending \"" + sent + "\" " + where + ".",
             log::about{parse_uuid(work.id()).value(), work.revision()});
}

}  // namespace

config_provider provider() {
  return {
      "consumer_services",
      {
          {.path = "consumer_services.receive_via",
           .default_yaml = "\"\"",
           .help = "how services get their work: \"engine\", from the queue engine's events; \"broker\", from "
                   "POST /queues/{queue}/receive; empty: from the engine where it reaches other processes, otherwise "
                   "from the broker"},
          {.path = "consumer_services.name_provider.names",
           .kind = config_key::type::texts,
           .default_yaml = "[Joao, Bram, Gabriel, Fehim, Eni, Patrick, Micha, Mirzet, Liliana, Sebastien]",
           .help = "the names that ServiceA picks from"},
          number_key("consumer_services.requester.timeout_ms", "10000", "how long the requester waits for its answer"),
          number_key("consumer_services.requester.poll_interval_ms", "50",
                     "between two looks, at a broker that does not know \"Prefer: wait\""),
          {.path = "consumer_services.requester.answer_pattern",
           .default_yaml = R"('^Hi, .+?\. Bye!$')",
           .help = "what a finished answer looks like, to a broker that tells no status"},
      }};
}

bool receives_from_broker(const config& settings, bool engine_is_in_process) {
  constexpr const char* key = "consumer_services.receive_via";
  const auto told = settings.text(key);
  if (!told.empty() && told != "engine" && told != "broker")
    throw settings.complaint(key, "say engine, or broker, or nothing at all");
  return told == "broker" || (told.empty() && engine_is_in_process);
}

example_service service_a(name_provider next_name) {
  const auto add_name = [next_name = std::move(next_name)](const delivery& work) {
    const std::string received(trimmed(work.text()));
    auto sent = received + " " + next_name() + ".";
    log_step("ServiceA", work, received, sent, "back to API");
    return sent;
  };
  return {{.name = "ServiceA", .queue = "topic-a", .handler = add_name, .blocking = false}};
}

example_service service_b() {
  const auto add_bye = [](const delivery& work) {
    const std::string received(trimmed(work.text()));
    auto sent = received + " Bye!";
    log_step("ServiceB", work, received, sent, "to the store");
    return sent;
  };
  return {{.name = "ServiceB", .queue = "topic-b", .handler = add_bye, .blocking = false}, true};
}

example_service configured_service_a(const config& settings) {
  auto names = settings.texts("consumer_services.name_provider.names");
  if (names.empty()) throw settings.complaint("consumer_services.name_provider.names", "give at least one name");
  return service_a(random_names(std::move(names), std::random_device{}()));
}

}  // namespace amc::consumer_services
