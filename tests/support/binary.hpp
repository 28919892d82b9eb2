#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/process.hpp"
#include "tests/support/temporary_folder.hpp"

namespace amc::tests {

/// The real binary in a folder of its own, on any free port. AMC_BINARY is the build's.
inline process::options amc_command(const std::filesystem::path& folder, std::vector<std::string> words,
                                    std::vector<std::string> sets = {}) {
  process::options how;
  how.folder = folder.string();
  how.arguments = {AMC_BINARY};
  how.arguments.insert(how.arguments.end(), words.begin(), words.end());
  for (auto& set : sets) how.arguments.insert(how.arguments.end(), {"--set", set});
  return how;
}

/// `amc all` on any free port, with its store in `folder`.
inline process::options amc_all(const std::filesystem::path& folder, std::vector<std::string> sets = {}) {
  sets.insert(sets.begin(), "broker.http.port=0");
  return amc_command(folder, {"all"}, sets);
}

}  // namespace amc::tests
