#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/config.hpp"
#include "core/message.hpp"

/// Logging to stderr, from any thread. Levels: debug, info, warning, error, critical. A line never blocks and never
/// kills: a thread of its own writes them, what nobody takes is dropped and counted. A line is one line, whatever the
/// text.
namespace amc::log {

enum class level { debug, info, warning, error, critical };

/// The message that a line is about. Every line about a message names it.
struct about {
  uuid id{};
  int revision = 0;
};

void write(level severity, std::string_view component, std::string_view text, std::optional<about> subject = {});

/// For lines that cost something to build.
bool enabled(level severity);

inline void debug(std::string_view component, std::string_view text, std::optional<about> subject = {}) {
  write(level::debug, component, text, subject);
}
inline void info(std::string_view component, std::string_view text, std::optional<about> subject = {}) {
  write(level::info, component, text, subject);
}
inline void warning(std::string_view component, std::string_view text, std::optional<about> subject = {}) {
  write(level::warning, component, text, subject);
}
inline void error(std::string_view component, std::string_view text, std::optional<about> subject = {}) {
  write(level::error, component, text, subject);
}
inline void critical(std::string_view component, std::string_view text, std::optional<about> subject = {}) {
  write(level::critical, component, text, subject);
}

/// The keys `log.…`.
config_provider provider();

void configure(const config& settings);

/// Why a program ends: "PROGRAM: TEXT" on stderr, or a JSON line where that is configured, whatever the level.
void last_words(std::string_view program, std::string_view text);

/// Writes what waits, as long as somebody takes it (`log.flush_timeout_ms`). Runs by itself at exit(); before _Exit it
/// is to be called.
void flush();

/// Lets the lines that wait be written when the process dies of abort() or a bad access.
void flush_when_crashing();

/// Lines that nobody took in time, or that could not be written.
std::uint64_t lines_dropped();

/// One line as it was logged.
struct line {
  level severity;
  std::string_view component;
  std::string_view text;
  std::optional<about> subject;
};

/// Sends every line, of every level, to `reader` instead of stderr (`amc demo` draws its timeline from them).
void redirect(std::function<void(const line&)> reader);

}  // namespace amc::log
