#include "app/words.hpp"

#include "core/config.hpp"
#include "core/text.hpp"

namespace amc::app {
namespace {

std::vector<const CLI::App*> subcommands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// "amc messages list", from the names of a subcommand and those above it.
std::string path_of(const CLI::App& app) {
  const auto* above = app.get_parent();
  return above ? path_of(*above) + " " + app.get_name() : std::string("amc");
}

/// An option that may stand behind a subcommand: its own, or one of those above it.
const CLI::Option* find_option(const CLI::App& app, const std::string& name) {
  for (const auto* level = &app; level; level = level->get_parent())
    if (const auto* found = level->get_option_no_throw(name)) return found;
  return nullptr;
}

std::string complaint_about(const CLI::App& app, const char* kind, const std::string& word,
                            const std::vector<std::string>& known) {
  return std::string("unknown ") + kind + " " + repeated(word) + "; the nearest is \"" +
         nearest(shortened(word, 100), known) + "\", and " + path_of(app) + " --help lists all";
}

std::string unknown_option(const CLI::App& app, const std::string& name) {
  std::vector<std::string> known;
  for (const auto* level = &app; level; level = level->get_parent())
    for (const auto* option : level->get_options([](const CLI::Option* o) { return !o->get_lnames().empty(); }))
      known.push_back("--" + option->get_lnames().front());
  return complaint_about(app, "option", name, known);
}

std::string unknown_subcommand(const CLI::App& app, const std::string& name) {
  std::vector<std::string> known;
  for (const auto* sub : subcommands_of(app)) known.push_back(sub->get_name());
  return complaint_about(app, "subcommand", name, known);
}

}  // namespace

std::optional<std::string> unknown_word(const CLI::App& app, const std::vector<std::string>& words) {
  const auto* at = &app;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];
    if (word == "--") return {};
    if (word.size() > 1 && word[0] == '-') {
      const auto equals = word.find('=');
      const auto* option = find_option(*at, word.substr(0, equals));
      if (!option) return unknown_option(*at, word.substr(0, equals));
      if (equals == std::string::npos && option->get_items_expected_max() > 0) ++i;
      continue;
    }
    const auto known = subcommands_of(*at);
    if (known.empty()) continue;  // a text, an id
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const auto* sub) { return sub->get_name() == word; });
    if (found == known.end()) return unknown_subcommand(*at, word);
    at = *found;
  }
  return {};
}

}  // namespace amc::app
