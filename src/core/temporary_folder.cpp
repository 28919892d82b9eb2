#include "core/temporary_folder.hpp"

#include <cstdlib>
#include <filesystem>

#include "core/error.hpp"

namespace amc {

temporary_folder::temporary_folder(const std::string& name) {
  path_ = (std::filesystem::temp_directory_path() / (name + "-XXXXXX")).string();
  if (!mkdtemp(path_.data())) throw startup_error(path_ + ": cannot be made; set TMPDIR to a writable folder");
}

temporary_folder::~temporary_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace amc
