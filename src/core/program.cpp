#include "core/program.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "core/log.hpp"
#include "core/standard_streams.hpp"

extern char** environ;

namespace amc::program {
namespace {

constexpr int exit_reader_gone = 128 + SIGPIPE;  // what a shell says of a program that a closed pipe has ended

/// Every connection is a descriptor; the usual soft limit of 1,024 is for programs that use select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

void prepare() {
  secure_standard_streams();
  log::flush_when_crashing();
  raise_descriptor_limit();
}

std::map<std::string, std::string> environment_variables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry; ++entry) {
    const std::string text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

int reporting(const std::string& name, const std::function<int()>& work) {
  try {
    return work();
  } catch (const output_failed& stdout_failed) {
    if (stdout_failed.error == EPIPE) return exit_reader_gone;
    log::last_words(name, "cannot write to stdout: " + std::generic_category().message(stdout_failed.error));
    return exit_failed;
  } catch (const config_error& failed) {
    log::last_words(name, failed.what());
    return exit_wrong_usage;
  } catch (const std::exception& failed) {
    log::last_words(name, failed.what());
    return exit_failed;
  } catch (...) {
    log::last_words(name, "ended by something that is no std::exception");
    return exit_failed;
  }
}

void hide_secrets(int argc, char** argv, const std::vector<config_provider>& known) {
  constexpr std::string_view option = "--set=";
  const auto is_secret = [&](std::string_view path) {
    return std::any_of(known.begin(), known.end(), [&](const auto& provider) {
      return std::any_of(provider.keys.begin(), provider.keys.end(), [&](const auto& key) {
        return key.path == path && (key.kind == config_key::type::url || key.kind == config_key::type::settings);
      });
    });
  };
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word.starts_with(option)) word.remove_prefix(option.size());
    const auto equals = word.find('=');
    if (equals == std::string_view::npos || !is_secret(word.substr(0, equals))) continue;
    char* value = argv[i] + std::strlen(argv[i]) - (word.size() - equals - 1);
    std::memset(value, 0, std::strlen(value));
  }
}

}  // namespace amc::program
