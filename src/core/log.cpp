#include "core/log.hpp"

#include <unistd.h>

#include <atomic>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include "core/environment.hpp"
#include "core/line_writer.hpp"
#include "core/text.hpp"
#include "core/time_text.hpp"

namespace amc::log {
namespace {

constexpr const char* level_names[] = {"debug", "info", "warning", "error", "critical"};

const char* name_of(level severity) {
  return level_names[static_cast<std::size_t>(severity)];
}

std::string tell_dropped(std::uint64_t count, const std::string& why);

/// The one global: a log is the process's own. Never destroyed, because its thread may be held up in a write when the
/// process ends.
struct state {
  state() { apply(load_config({provider()}, {.folder = ""})); }  // the defaults, until `configure`
  void apply(const config& settings);

  std::atomic<level> least;
  std::atomic<bool> as_json;
  std::atomic<std::size_t> line_max_bytes;
  std::atomic<std::int64_t> flush_timeout_ms;
  std::function<void(const line&)> reader;
  line_writer writer{STDERR_FILENO, 0, tell_dropped};
};

void state::apply(const config& settings) {
  const auto named = settings.text("log.level");
  for (std::size_t i = 0; i < std::size(level_names); ++i)
    if (named == level_names[i]) least = static_cast<level>(i);
  as_json = settings.text("log.format") == "json";
  line_max_bytes = settings.size("log.line_max_bytes");
  flush_timeout_ms = settings.integer("log.flush_timeout_ms");
  writer.set_buffer_max_bytes(settings.size("log.buffer_max_bytes"));
}

state& the() {
  static auto& instance = *[] {
    std::atexit(flush);
    return new state;
  }();
  return instance;
}

std::string cut(std::string_view text) {
  const auto kept = shortened(text, the().line_max_bytes);
  if (kept.size() == text.size()) return std::string(text);
  return std::string(kept) + "… (" + std::to_string(text.size() - kept.size()) + " bytes more)";
}

std::string json_string(std::string_view text) {
  return escaped(boost::json::serialize(boost::json::value(made_valid(text))));
}

std::string as_text(const line& of, const std::string& time) {
  auto all = time + " [" + name_of(of.severity) + "] [" + escaped(of.component) + "] " + escaped(cut(of.text));
  if (of.subject) all += " id=" + to_string(of.subject->id) + " revision=" + std::to_string(of.subject->revision);
  return all + "\n";
}

std::string as_json(const line& of, const std::string& time) {
  auto all = R"({"time":")" + time + R"(","level":")" + name_of(of.severity) + R"(","component":)" +
             json_string(of.component) + R"(,"message":)" + json_string(cut(of.text));
  if (of.subject)
    all += R"(,"id":")" + to_string(of.subject->id) + R"(","revision":)" + std::to_string(of.subject->revision);
  return all + "}\n";
}

std::string formatted(const line& of) {
  const auto time = to_rfc3339(system_wall_clock());
  return the().as_json ? as_json(of, time) : as_text(of, time);
}

std::string tell_dropped(std::uint64_t count, const std::string& why) {
  const auto text = std::to_string(count) + (count == 1 ? " line was" : " lines were") + " dropped: " + why +
                    "; log.buffer_max_bytes bounds what may wait";
  return formatted({level::warning, "log", text, {}});
}

/// The process is about to die of a signal: what waits is written by its thread, if it still can.
void wait_for_writer(int) {
  constexpr timespec step{0, 10'000'000};
  for (int i = 0; i < 20 && the().writer.busy(); ++i) nanosleep(&step, nullptr);
}

}  // namespace

bool enabled(level severity) {
  return the().reader || severity >= the().least;
}

void write(level severity, std::string_view component, std::string_view text, std::optional<about> subject) {
  if (!enabled(severity)) return;
  const line one{severity, component, text, subject};
  if (the().reader) return the().reader(one);
  the().writer.add(formatted(one));
}

config_provider provider() {
  return {
      "core",
      {
          {.path = "log.level",
           .default_yaml = "info",
           .help = "lines of this level and above are written to stderr",
           .choices = {std::begin(level_names), std::end(level_names)}},
          {.path = "log.format",
           .default_yaml = "text",
           .help = "text for people, json for one JSON object a line",
           .choices = {"text", "json"}},
          number_key("log.buffer_max_bytes", "1048576",
                     "lines that wait for whoever reads stderr; what does not fit is dropped, counted and reported", 1,
                     1 << 30),
          number_key("log.line_max_bytes", "16384", "the text of a line is cut after so many", 100, 1 << 20),
          number_key("log.flush_timeout_ms", "500",
                     "how long a process that ends waits for whoever reads stderr to take its last lines", 0, 60'000),
      }};
}

void configure(const config& settings) {
  the().apply(settings);
}

void last_words(std::string_view program, std::string_view text) {
  const line one{level::critical, program, text, {}};
  the().writer.add(the().as_json ? formatted(one) : escaped(program) + ": " + escaped(text) + "\n");
}

void flush() {
  the().writer.flush(milliseconds(the().flush_timeout_ms));
}

void flush_when_crashing() {
  the();  // not made within a signal handler
  struct sigaction action {};
  action.sa_handler = wait_for_writer;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_NODEFER;
  for (const int signal : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV}) {
    struct sigaction before {};
    // Somebody else's handler, a sanitizer's, knows better what to tell.
    if (sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_DFL) sigaction(signal, &action, nullptr);
  }
}

std::uint64_t lines_dropped() {
  return the().writer.dropped();
}

void redirect(std::function<void(const line&)> reader) {
  the().reader = std::move(reader);
}

}  // namespace amc::log
