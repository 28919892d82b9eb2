#pragma once

#include <string>

namespace amc {

/// A folder that goes away with this, and all that is in it.
class temporary_folder {
 public:
  /// Named NAME-XXXXXX, where the machine keeps such folders. Throws startup_error.
  explicit temporary_folder(const std::string& name);
  ~temporary_folder();
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace amc
