#pragma once

#include <string>
#include <vector>

namespace amc {

/// What a folder of configuration holds.
struct config_files {
  std::vector<std::string> files;     ///< in the order in which they are merged
  std::vector<std::string> warnings;  ///< about files that look as if they were meant to be read, and are not
};

/// `*.global.yaml`, then `*.local.yaml`, each in the order of their names. An absent folder is empty, unless it is
/// required. Throws config_error.
config_files find_config_files(const std::string& folder, bool required);

/// The bytes of a regular file of up to a mebibyte; waits for nobody. Throws config_error, which names the key that the
/// file was given in, where it was.
std::string read_config_file(const std::string& file, const std::string& key = "");

}  // namespace amc
