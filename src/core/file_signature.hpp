#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

namespace amc {

/// What tells that a file is another one, or was written.
struct file_signature {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t written_ns = 0, changed_ns = 0;
  bool operator==(const file_signature&) const = default;
};

/// All zero where there is none.
inline file_signature signature_of(const std::string& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return {};
  const auto in_ns = [](const timespec& time) {
    constexpr std::int64_t ns_per_s = 1'000'000'000;
    return time.tv_sec * ns_per_s + time.tv_nsec;
  };
  return {found.st_dev, found.st_ino, static_cast<std::uint64_t>(found.st_size), in_ns(found.st_mtim),
          in_ns(found.st_ctim)};
}

}  // namespace amc
