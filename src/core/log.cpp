#include "core/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/json/serialize.hpp>
#include <iostream>

namespace amc::log {
namespace {

spdlog::level::level_enum native(level severity) {
  switch (severity) {
    case level::debug:
      return spdlog::level::debug;
    case level::info:
      return spdlog::level::info;
    case level::warning:
      return spdlog::level::warn;
    case level::error:
      return spdlog::level::err;
    case level::critical:
      return spdlog::level::critical;
  }
  return spdlog::level::critical;
}

struct state {
  std::shared_ptr<spdlog::logger> logger =
      std::make_shared<spdlog::logger>("amc", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  bool as_json = false;
  std::function<void(const line&)> reader;

  state() {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ [%l] %v", spdlog::pattern_time_type::utc);
    logger->flush_on(spdlog::level::trace);
  }
};

// The one global: a log is the process's own. Set up before threads start, only read afterwards.
state& the() {
  static state instance;
  return instance;
}

std::string as_text(std::string_view component, std::string_view text, const std::optional<about>& subject) {
  std::string all = "[" + std::string(component) + "] " + std::string(text);
  if (subject) all += " id=" + to_string(subject->id) + " revision=" + std::to_string(subject->revision);
  return all;
}

std::string as_json(std::string_view component, std::string_view text, const std::optional<about>& subject) {
  boost::json::object fields{{"component", component}, {"message", text}};
  if (subject) {
    fields["id"] = to_string(subject->id);
    fields["revision"] = subject->revision;
  }
  auto all = boost::json::serialize(fields);
  all.erase(0, 1);  // the pattern writes the opening brace, time and level
  return all;
}

}  // namespace

bool enabled(level severity) {
  return the().reader || the().logger->should_log(native(severity));
}

void write(level severity, std::string_view component, std::string_view text, std::optional<about> subject) {
  if (!enabled(severity)) return;
  if (the().reader) return the().reader({severity, component, text, subject});
  the().logger->log(native(severity),
                    the().as_json ? as_json(component, text, subject) : as_text(component, text, subject));
}

config_provider provider() {
  return {"core",
          {
              {.path = "log.level",
               .default_yaml = "info",
               .help = "lines of this level and above are written to stderr",
               .choices = {"debug", "info", "warning", "error", "critical"}},
              {.path = "log.format",
               .default_yaml = "text",
               .help = "text for people, json for one JSON object a line",
               .choices = {"text", "json"}},
          }};
}

void configure(const config& settings) {
  the().logger->set_level(spdlog::level::from_str(settings.text("log.level")));
  the().as_json = settings.text("log.format") == "json";
  if (the().as_json)
    the().logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)", spdlog::pattern_time_type::utc);
}

void last_words(std::string_view program, std::string_view text) {
  if (the().as_json)
    the().logger->critical(as_json(program, text, {}));
  else
    std::cerr << program << ": " << text << "\n";
}

void redirect(std::function<void(const line&)> reader) {
  the().reader = std::move(reader);
}

}  // namespace amc::log
