#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>
#include <vector>

namespace amc::app {

/// The complaint about the first word that the command line does not know, a subcommand or an option, with the nearest
/// that it does know. Looks at nothing else: what a known option takes is the parser's business.
std::optional<std::string> unknown_word(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace amc::app
